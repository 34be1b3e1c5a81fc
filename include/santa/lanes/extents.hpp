// Extents that a kernel is compiled for.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>

namespace santa {

/// The kernels that a plan has for a device: of at most so many query heads a kv head and features, in pairs from small
/// to large: KernelSet<4, 64, 4, 128>; without any, all. A shape takes the first pair that holds it; a run with another
/// is an error that names what is missing, as is one with rows that don't begin at multiples of 16 bytes. Heads are 4,
/// 8 or 16, features 64, 128, 192 or 256, or `dims` of two of these. Hosts have one kernel for all. Part of a plan's
/// type, hence no build's own.
template <int... heads_and_dim>
struct KernelSet {
  static constexpr bool any = sizeof...(heads_and_dim) > 0;
};

/// Features of key rows and of value rows, where they differ, for a KernelSet: KernelSet<4, dims(192, 128)>.
constexpr int dims(int of_keys, int of_values) {
  return of_keys == of_values ? of_keys : of_keys + of_values * 0x10000;
}

}  // namespace santa

namespace santa::lanes::inline SANTA_BUILD {

/// Heads and dimensions, in turn, that kernels are compiled for; none: all.
template <int... heads_and_dim>
using Named = KernelSet<heads_and_dim...>;

/// What a translation unit compiles. Each combination of extents is a kernel for CUDA. A program that knows its models
/// saves most of the time that takes by naming what it needs, -DSANTA_ONLY_EXTENTS=<heads>,<dim>[,<heads>,<dim>...] (as
/// for a KernelSet) from small to large: a shape takes the first pair that holds it, others are refused. So are then
/// rows that are not aligned to 16 bytes, if of 2-byte elements, unless
/// -DSANTA_ONLY_MISALIGNED_EXTENTS=<heads>,<dim>[,...] names some for them. Functions that a program calls have this as
/// an argument, so that units of one program may differ in it.
template <class Only, class Misaligned>
struct BuildFor {
  using Extents = Only;
  using MisalignedExtents = Misaligned;
};
#if defined(SANTA_ONLY_EXTENTS)
using OnlyExtents = Named<SANTA_ONLY_EXTENTS>;
#else
using OnlyExtents = Named<>;
#endif
#if defined(SANTA_ONLY_MISALIGNED_EXTENTS)
using OnlyMisalignedExtents = Named<SANTA_ONLY_MISALIGNED_EXTENTS>;
#else
using OnlyMisalignedExtents = Named<>;
#endif
using Build = BuildFor<OnlyExtents, OnlyMisalignedExtents>;

/// What `dims` made, as features of keys and values.
constexpr santa::detail::RowDims dims_named(int named) {
  return {named % 0x10000, named < 0x10000 ? named : named / 0x10000};
}

/// Bounds of a shape, known when a kernel is compiled: at most `heads` query heads a lane group, at most so many
/// features, as `dims` has them.
template <int Heads, int Dims, bool TensorCores>
struct Extents {
  static constexpr int heads = Heads;
  static constexpr int key_dim = dims_named(Dims).keys;
  static constexpr int value_dim = dims_named(Dims).values;
  static constexpr int dim = dims_named(Dims).most();
  static constexpr bool tensor_cores = TensorCores;
  static constexpr bool product_order = TensorCores;  // of lanes: that in which a product leaves a tile's rows
  static constexpr bool roomy = false;
  static constexpr bool crowded = false;
  static constexpr bool lean = false;
  static constexpr bool joint = false;
  static constexpr bool scoring = false;
  static constexpr int groups = 0;  // of a team; 0: as scratch allows
  static constexpr int teams = 0;   // at once on a multiprocessor, for which registers are shared out; 0: as groups say
};

/// The same with fewer groups a team, for kernels whose groups need more scratch.
template <class Extents>
struct Roomy : Extents {
  static constexpr bool roomy = true;
};

/// The same with more groups at once, for kernels that wait for their own arithmetic rather than for the memory.
template <class Extents>
struct Crowded : Extents {
  static constexpr bool crowded = true;
};

/// The same with more groups a team, for kernels whose groups need less scratch: nothing is queued.
template <class Extents>
struct Lean : Extents {
  static constexpr bool lean = true;
};

/// The same for kernels whose heads draw together: what is queued takes half the scratch.
template <class Extents>
struct Joint : Extents {
  static constexpr bool joint = true;
};

/// The same for the first of two such kernels, which scores keys alone: so many groups find room at once, as nothing is
/// queued or added up.
template <class Extents>
struct Scoring : Joint<Extents> {
  static constexpr bool lean = true;
  static constexpr bool scoring = true;
};

/// The same for kernels that score a panel of each kv head: one wide team on a multiprocessor, whose groups ask for all
/// keys at once. Nothing is queued.
template <class Extents>
struct Wide : Joint<Extents> {
  static constexpr bool lean = true;
  static constexpr int groups = Extents::dim > 128 ? 4 : 8;
  static constexpr int teams = 1;
};

/// The same in plain loops.
template <class Extents>
struct Plain : Extents {
  static constexpr bool tensor_cores = false;
};

/// For kernels that only add up numbers, of several heads at once perhaps: so many groups a team.
template <int Groups, int Heads = 1, int AtOnce = 0>
struct Teams : Extents<Heads, 32, false> {
  static constexpr int groups = Groups;
  static constexpr int teams = AtOnce;
};

/// For products of rows with many vectors of any dimension: at most so many at a time, in the place of heads.
template <int Vectors, bool TensorCores>
struct Products : Extents<Vectors, 32, TensorCores> {
  static constexpr bool product_order = false;
  static constexpr int groups = 4;
};

}  // namespace santa::lanes::inline SANTA_BUILD
