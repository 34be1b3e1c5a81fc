// The list of what the library of kernels compiles: what most programs use. Macros, as an explicit instantiation is no
// type that a template could make.
#pragma once

// How a stage is made, for one type of addresses.
#define SANTA_KERNELS_STAGE(external, rescored, ...)                                                                 \
  external template santa::detail::StageCalls* santa::detail::AnyStages<rescored>::make<                             \
      santa::detail::HostExtents,                                                                                    \
      santa::detail::CacheStages<Kokkos::DefaultHostExecutionSpace, __VA_ARGS__, santa::Identity>>(                  \
      const std::byte*, const santa::lanes::HostGroup&, const santa::detail::Arguments&, const santa::detail::Unit&, \
      float*, float*);
#define SANTA_KERNELS_NARROW(external, T, Code)                                                  \
  SANTA_KERNELS_STAGE(external, false,                                                           \
                      santa::detail::NarrowAddresses<santa::detail::ContiguousAddresses<T>,      \
                                                     santa::detail::CodeAddresses<Code>, false>) \
  SANTA_KERNELS_STAGE(                                                                           \
      external, true,                                                                            \
      santa::detail::NarrowAddresses<santa::detail::ContiguousAddresses<T>, santa::detail::CodeAddresses<Code>, true>)
#define SANTA_KERNELS_STAGES_OF(external, T)                                  \
  SANTA_KERNELS_STAGE(external, false, santa::detail::ContiguousAddresses<T>) \
  SANTA_KERNELS_NARROW(external, T, std::int8_t)                              \
  SANTA_KERNELS_NARROW(external, T, santa::float8)                            \
  SANTA_KERNELS_NARROW(external, T, santa::int4x2)
#define SANTA_KERNELS_STAGES(external)           \
  SANTA_KERNELS_STAGES_OF(external, float)       \
  SANTA_KERNELS_STAGES_OF(external, santa::half) \
  SANTA_KERNELS_STAGES_OF(external, santa::bfloat16)

// The kernels of a method, for all caches.
#define SANTA_KERNELS_METHOD(external, rescored, ...)            \
  external template void santa::detail::run_method<__VA_ARGS__>( \
      const Kokkos::DefaultHostExecutionSpace&,                  \
      const santa::detail::HostContext<santa::detail::Recipe<__VA_ARGS__>::Arguments, rescored>&, bool);
#define SANTA_KERNELS_POINT_METHODS(external)                   \
  SANTA_KERNELS_METHOD(external, false, santa::Systematic)      \
  SANTA_KERNELS_METHOD(external, false, santa::Stratified)      \
  SANTA_KERNELS_METHOD(external, false, santa::Multinomial)     \
  SANTA_KERNELS_METHOD(external, false, santa::FixedTileBudget) \
  SANTA_KERNELS_METHOD(external, false, santa::ProportionalTileBudget)
#define SANTA_KERNELS_ONE_PASS_METHODS(external)                                   \
  SANTA_KERNELS_METHOD(external, false, santa::Exact)                              \
  SANTA_KERNELS_METHOD(external, false, santa::MassUnit)                           \
  SANTA_KERNELS_METHOD(external, true, santa::MassUnit)                            \
  SANTA_KERNELS_METHOD(external, false, santa::MassUnitOf<santa::Draws::joint_l2>) \
  SANTA_KERNELS_METHOD(external, true, santa::MassUnitOf<santa::Draws::joint_l2>)  \
  SANTA_KERNELS_METHOD(external, false, santa::MassUnitOf<santa::Draws::separate>) \
  SANTA_KERNELS_METHOD(external, true, santa::MassUnitOf<santa::Draws::separate>)
#define SANTA_KERNELS_METHODS(external)    \
  SANTA_KERNELS_ONE_PASS_METHODS(external) \
  SANTA_KERNELS_POINT_METHODS(external)
