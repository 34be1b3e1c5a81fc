// The list of what the library of kernels compiles: what most programs use. Macros, as an explicit instantiation is no
// type that a template could make. Each takes the name of a macro that says what is made of an entry.
#pragma once

// DO(rescored, addresses) for each kind of cache.
#define SANTA_KERNELS_NARROW(DO, T, Code)                                                                              \
  DO(false,                                                                                                            \
     santa::detail::NarrowAddresses<santa::detail::ContiguousAddresses<T>, santa::detail::CodeAddresses<Code>, false>) \
  DO(true,                                                                                                             \
     santa::detail::NarrowAddresses<santa::detail::ContiguousAddresses<T>, santa::detail::CodeAddresses<Code>, true>)
#define SANTA_KERNELS_STAGES_OF(DO, T)             \
  DO(false, santa::detail::ContiguousAddresses<T>) \
  SANTA_KERNELS_NARROW(DO, T, std::int8_t)         \
  SANTA_KERNELS_NARROW(DO, T, santa::float8)       \
  SANTA_KERNELS_NARROW(DO, T, santa::int4x2)
#define SANTA_KERNELS_STAGES(DO)           \
  SANTA_KERNELS_STAGES_OF(DO, float)       \
  SANTA_KERNELS_STAGES_OF(DO, santa::half) \
  SANTA_KERNELS_STAGES_OF(DO, santa::bfloat16)

// DO(rescored, method) for each method, of all caches.
#define SANTA_KERNELS_POINT_METHODS(DO) \
  DO(false, santa::Systematic)          \
  DO(false, santa::Stratified)          \
  DO(false, santa::Multinomial)         \
  DO(false, santa::FixedTileBudget)     \
  DO(false, santa::ProportionalTileBudget)
#define SANTA_KERNELS_ONE_PASS_METHODS(DO)             \
  DO(false, santa::Exact)                              \
  DO(false, santa::MassUnit)                           \
  DO(true, santa::MassUnit)                            \
  DO(false, santa::MassUnitOf<santa::Draws::joint_l2>) \
  DO(true, santa::MassUnitOf<santa::Draws::joint_l2>)  \
  DO(false, santa::MassUnitOf<santa::Draws::separate>) \
  DO(true, santa::MassUnitOf<santa::Draws::separate>)
#define SANTA_KERNELS_METHODS(DO)    \
  SANTA_KERNELS_ONE_PASS_METHODS(DO) \
  SANTA_KERNELS_POINT_METHODS(DO)

// What DO may be: how a stage is made, declared or compiled;
#define SANTA_KERNELS_MAKE_STAGE(rescored, ...)                                                                      \
  template santa::detail::StageCalls* santa::detail::AnyStages<rescored>::make<                                      \
      santa::detail::HostExtents,                                                                                    \
      santa::detail::CacheStages<Kokkos::DefaultHostExecutionSpace, __VA_ARGS__, santa::Identity>>(                  \
      const std::byte*, const santa::lanes::HostGroup&, const santa::detail::Arguments&, const santa::detail::Unit&, \
      float*, float*);
#define SANTA_KERNELS_DECLARE_STAGE(rescored, ...) extern SANTA_KERNELS_MAKE_STAGE(rescored, __VA_ARGS__)
#define SANTA_KERNELS_DEFINE_STAGE(rescored, ...) SANTA_KERNELS_MAKE_STAGE(rescored, __VA_ARGS__)
// a method's kernels, for any that has a context of the same layout;
#define SANTA_KERNELS_RUN(rescored, ...)                                                     \
  template void santa::detail::run_compiled<rescored, __VA_ARGS__>(const void*, const void*, \
                                                                   const santa::detail::StageFunctions*, bool);
#define SANTA_KERNELS_DECLARE_RUN(rescored, ...) extern SANTA_KERNELS_RUN(rescored, __VA_ARGS__)
#define SANTA_KERNELS_DEFINE_RUN(rescored, ...) SANTA_KERNELS_RUN(rescored, __VA_ARGS__)
// and what a program calls: it lets the kernels run that have been chosen for this processor.
#define SANTA_KERNELS_METHOD(rescored, ...)                                                               \
  template <>                                                                                             \
  void santa::detail::run_method<__VA_ARGS__>(                                                            \
      const Kokkos::DefaultHostExecutionSpace& space,                                                     \
      const santa::detail::HostContext<santa::detail::Recipe<__VA_ARGS__>::Arguments, rescored>& context, \
      bool first_step)
#define SANTA_KERNELS_DECLARE_METHOD(rescored, ...) SANTA_KERNELS_METHOD(rescored, __VA_ARGS__);
