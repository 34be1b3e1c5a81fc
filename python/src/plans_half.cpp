// Plans for caches of half rows.
#include "plan_of.hpp"

template santa::python::PlanPointer<santa::python::ContiguousArrays>
santa::python::make_plan<santa::half, santa::python::ContiguousArrays>(const Space&, const PlanRequest&);
