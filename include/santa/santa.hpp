// santa: decode attention that samples instead of reading everything. In the order of the data's path.
#pragma once

#include <santa/cache/contiguous.hpp>
#include <santa/core/element.hpp>
#include <santa/core/shape.hpp>
#include <santa/core/statistics.hpp>
#include <santa/core/version.hpp>
#include <santa/decode/decode.hpp>
#include <santa/decode/options.hpp>
#include <santa/decode/plan.hpp>
#include <santa/random/philox.hpp>
#include <santa/random/stream_key.hpp>
#include <santa/rows/draw_rows.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/gather_add.hpp>
#include <santa/rows/merge_states.hpp>
#include <santa/sample/exact.hpp>
#include <santa/sample/fixed_tile_budget.hpp>
#include <santa/sample/mass_unit.hpp>
#include <santa/sample/multinomial.hpp>
#include <santa/sample/proportional_tile_budget.hpp>
#include <santa/sample/stratified.hpp>
#include <santa/sample/systematic.hpp>
#include <santa/score/modifiers.hpp>
