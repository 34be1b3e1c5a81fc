// Plans for contiguous caches of half rows.
#include "plan_of.hpp"

template santa::python::PlanPointer santa::python::make_plan<santa::python::ContiguousRowsOf<const santa::half>>(
    const Space&, const PlanRequest&);
