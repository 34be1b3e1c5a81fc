// Plans for caches of float rows.
#include "plan_of.hpp"

template santa::python::PlanPointer<santa::python::ContiguousArrays>
santa::python::make_plan<float, santa::python::ContiguousArrays>(const Space&, const PlanRequest&);
