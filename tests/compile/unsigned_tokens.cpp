// expect: santa: tokens must be std::int32_t or std::int64_t
#include <santa/token/sample_tokens.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float**, Kokkos::HostSpace>;

void run(const santa::TokenSampler<Space>& sampler) {
  sampler.run(Space(), Rows(), Rows(), Kokkos::View<unsigned*, Kokkos::HostSpace>());
}
