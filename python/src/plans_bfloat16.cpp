// Plans for contiguous caches of bfloat16 rows.
#include "plan_of.hpp"

template santa::python::PlanPointer santa::python::make_plan<santa::python::ContiguousRowsOf<const santa::bfloat16>>(
    const Space&, const PlanRequest&);
