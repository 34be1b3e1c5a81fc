// Plans for caches of rows of one byte, with scales.
#include "contiguous_cache.hpp"
#include "paged_cache.hpp"
#include "plan_of.hpp"

namespace santa::python {

template PlanPointer make_plan<ContiguousRowsOf<const e4m3, HeadScaleView>>(const Space&, const PlanRequest&);
template PlanPointer make_plan<ContiguousRowsOf<const e4m3, TokenScaleView>>(const Space&, const PlanRequest&);
template PlanPointer make_plan<ContiguousRowsOf<const std::int8_t, HeadScaleView>>(const Space&, const PlanRequest&);
template PlanPointer make_plan<ContiguousRowsOf<const std::int8_t, TokenScaleView>>(const Space&, const PlanRequest&);
template PlanPointer make_plan<PagedRowsOf<const e4m3, HeadScaleView>>(const Space&, const PlanRequest&);
template PlanPointer make_plan<PagedRowsOf<const e4m3, TokenScaleView>>(const Space&, const PlanRequest&);
template PlanPointer make_plan<PagedRowsOf<const std::int8_t, HeadScaleView>>(const Space&, const PlanRequest&);
template PlanPointer make_plan<PagedRowsOf<const std::int8_t, TokenScaleView>>(const Space&, const PlanRequest&);

}  // namespace santa::python
