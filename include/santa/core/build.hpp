// What a translation unit is compiled for, as a name: units that differ in it share no kernels.
#pragma once

// Kernels are made of inline functions and templates, of which a linker keeps one for all units that have it under one
// name. Their bodies depend on the instruction set, so namespaces of lanes and kernels have it in their names: a unit
// for an older processor never runs the kernels that another was given. Types that programs hold (plans, states,
// caches) are the same in all units, and so are their small functions on the host, as Kokkos' and the standard
// library's are: where the program runs on the older processor, link the unit for it first. Options beyond these that
// change code may be told apart by -DSANTA_BUILD=<name>.
#if !defined(SANTA_BUILD)

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define SANTA_BUILD_LEVEL x86_64_v4
#elif defined(__AVX512F__)
#define SANTA_BUILD_LEVEL x86_64_avx512
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && defined(__BMI2__)
#define SANTA_BUILD_LEVEL x86_64_v3
#elif defined(__AVX2__)
#define SANTA_BUILD_LEVEL x86_64_avx2
#elif defined(__AVX__)
#define SANTA_BUILD_LEVEL x86_64_avx
#elif defined(__SSE4_2__)
#define SANTA_BUILD_LEVEL x86_64_v2
#elif defined(__ARM_FEATURE_SVE2)
#define SANTA_BUILD_LEVEL sve2
#elif defined(__ARM_FEATURE_SVE)
#define SANTA_BUILD_LEVEL sve
#else
#define SANTA_BUILD_LEVEL plain
#endif

// Later extensions that the library or its compiler makes use of.
#if defined(__AVX512VNNI__)
#define SANTA_BUILD_VNNI vnni
#else
#define SANTA_BUILD_VNNI
#endif
#if defined(__AVX512VBMI2__)
#define SANTA_BUILD_VBMI2 vbmi2
#else
#define SANTA_BUILD_VBMI2
#endif
#if defined(__AVX512BF16__)
#define SANTA_BUILD_BF16 bf16
#else
#define SANTA_BUILD_BF16
#endif
#if defined(__AVX512FP16__)
#define SANTA_BUILD_FP16 fp16
#else
#define SANTA_BUILD_FP16
#endif
#if defined(__AVXVNNI__)
#define SANTA_BUILD_AVXVNNI avxvnni
#else
#define SANTA_BUILD_AVXVNNI
#endif
#if defined(__znver3__) || defined(__znver4__) || defined(__znver5__)
#define SANTA_BUILD_TUNED zen
#else
#define SANTA_BUILD_TUNED
#endif
#if defined(SANTA_GENERIC_DEVICE)
#define SANTA_BUILD_DEVICE generic
#else
#define SANTA_BUILD_DEVICE
#endif
#if defined(SANTA_BF16_DOTS)
#define SANTA_BUILD_DOTS dots
#else
#define SANTA_BUILD_DOTS
#endif

#define SANTA_BUILD_JOINED(a, b, c, d, e, f, g, h, i) for_##a##b##c##d##e##f##g##h##i
#define SANTA_BUILD_JOIN(a, b, c, d, e, f, g, h, i) SANTA_BUILD_JOINED(a, b, c, d, e, f, g, h, i)
#define SANTA_BUILD                                                                                            \
  SANTA_BUILD_JOIN(SANTA_BUILD_LEVEL, SANTA_BUILD_VNNI, SANTA_BUILD_VBMI2, SANTA_BUILD_BF16, SANTA_BUILD_FP16, \
                   SANTA_BUILD_AVXVNNI, SANTA_BUILD_TUNED, SANTA_BUILD_DEVICE, SANTA_BUILD_DOTS)

#endif
