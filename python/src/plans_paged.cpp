// Plans for caches in pages.
#include "paged_cache.hpp"
#include "plan_of.hpp"

namespace santa::python {

template PlanPointer make_plan<PagedRowsOf<const bfloat16>>(const Space&, const PlanRequest&);
template PlanPointer make_plan<PagedRowsOf<const half>>(const Space&, const PlanRequest&);
template PlanPointer make_plan<PagedRowsOf<const float>>(const Space&, const PlanRequest&);

}  // namespace santa::python
