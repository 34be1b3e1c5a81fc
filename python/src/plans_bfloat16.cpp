// Plans for caches of bfloat16 rows.
#include "plan_of.hpp"

template santa::python::PlanPointer<santa::python::ContiguousArrays>
santa::python::make_plan<santa::bfloat16, santa::python::ContiguousArrays>(const Space&, const PlanRequest&);
