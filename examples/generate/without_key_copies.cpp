// In the place of text_key_copies.cpp, in a build that leaves its kernels out (SANTA_EXAMPLE_COPIES).
#include "decode/error.hpp"
#include "generate/text_key_copies.hpp"

namespace santa::example {

std::unique_ptr<TextKeyCopies> copy_keys(const Space& /*space*/, const Policy& policy, const Settings& /*settings*/,
                                         const KvCache& /*cache*/, std::int64_t /*slot*/, std::int64_t /*length*/) {
  if (policy.keys == Policy::Keys::full) return nullptr;
  throw UserError("the policy " + quote(policy.name()) +
                  " is not in this build: configure with -DSANTA_EXAMPLE_COPIES=ON");
}

}  // namespace santa::example
