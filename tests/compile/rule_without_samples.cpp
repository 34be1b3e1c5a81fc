// expect: santa: the rule lacks a member of DrawRule, or of the kind it is of: see santa/sample/draw_rule.hpp
#include <santa/santa.hpp>

using namespace santa::detail;

/// That of Exact, which does not say how often it draws.
template <class Group>
struct Rule : ExactRule<Group> {
  using ExactRule<Group>::ExactRule;
  static std::uint32_t samples(std::uint32_t rows) = delete;
};

std::size_t size() { return sizeof(SweepKernel<HostContext<Arguments, false>, Rule, false>); }
