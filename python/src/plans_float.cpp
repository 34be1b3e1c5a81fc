// Plans for contiguous caches of float rows.
#include "plan_of.hpp"

template santa::python::PlanPointer santa::python::make_plan<santa::python::ContiguousRowsOf<const float>>(
    const Space&, const PlanRequest&);
