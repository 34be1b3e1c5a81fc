// Any stage behind one type: what lets a host's kernels be compiled once for all caches.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/schedule/unit.hpp>
#include <santa/score/coming_rows.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

namespace santa::detail {

/// How the stages of one kind of cache are made, by one build; `make` has types of that build alone.
struct StageFunctions {
  void (*make)();
  std::size_t (*shared)(int heads, RowDims dims);
  std::size_t (*own)(int heads, RowDims dims);
  std::size_t bytes;  // of what they are made from
};

}  // namespace santa::detail

namespace santa::detail::inline SANTA_BUILD {

/// The extents that a host's kernels are compiled for: all shapes.
using HostExtents = lanes::Extents<max_heads, max_dim, false>;

/// The members of a ScoreStage, called through a table: some nanoseconds a tile of keys, which takes hundreds.
class StageCalls {
 public:
  using Float = lanes::HostGroup::Vector<float>;

  virtual void take_queries() = 0;
  virtual void scores(std::int64_t first, std::int64_t step, int count, Float* score, std::int64_t next, int next_count,
                      std::int64_t end) = 0;
  virtual void scores_again(const std::int32_t* index, int count, Float* score) = 0;
  virtual void clear() = 0;
  virtual void gather(const std::int32_t* index, int count, const std::int32_t* ahead, const float* weight,
                      int weight_stride) = 0;
  virtual void ask_row(std::int32_t index) const = 0;
  [[nodiscard]] virtual float squared_distance(std::int32_t index, const float* center) const = 0;
  virtual void rescale(int head, float factor) = 0;
  virtual void store_sums(float* to, int head_stride) const = 0;
  [[nodiscard]] virtual std::uint32_t flags() const = 0;
  virtual ~StageCalls() = default;
};

template <class Stage>
class StageBehindCalls final : public StageCalls {
 public:
  /// As Stage's own, whose objects stay where they are made.
  template <class Group, class Addresses, class Modifier>
  StageBehindCalls(const Group& group, const Arguments& a, const Addresses& addresses, const Modifier& modifier,
                   const Unit& unit, float* shared, float* own)
      : _stage(group, a, addresses, modifier, unit, shared, own) {}

  void take_queries() override {
    _stage.take_queries([] {});
  }
  void scores(std::int64_t first, std::int64_t step, int count, Float* score, std::int64_t next, int next_count,
              std::int64_t end) override {
    NoDrawnRows none;
    _stage.scores(first, step, count, score, next, next_count, none, end);
  }
  void scores_again(const std::int32_t* index, int count, Float* score) override {
    if constexpr (Stage::rescored) _stage.scores_again(index, count, score);
  }
  void clear() override { _stage.clear(); }
  void gather(const std::int32_t* index, int count, const std::int32_t* ahead, const float* weight,
              int weight_stride) override {
    _stage.gather(
        index, count, [ahead](int i) { return ahead[i]; }, weight, weight_stride);
  }
  void ask_row(std::int32_t index) const override { _stage.ask_row(index); }
  [[nodiscard]] float squared_distance(std::int32_t index, const float* center) const override {
    return _stage.squared_distance(index, center);
  }
  void rescale(int head, float factor) override { _stage.rescale(head, factor); }
  void store_sums(float* to, int head_stride) const override { _stage.store_sums(to, head_stride); }
  [[nodiscard]] std::uint32_t flags() const override { return _stage.flags(); }

 private:
  Stage _stage;
};

/// A stage of any kind, in scratch. `is_rescored`: of those that score drawn rows again.
template <bool is_rescored>
class AnyStage {
  using Float = StageCalls::Float;

 public:
  static constexpr bool asynchronous = false;
  static constexpr bool rescored = is_rescored;

  explicit AnyStage(StageCalls* calls) : _calls(calls) {}

  template <class Meanwhile>
  void take_queries(const Meanwhile& /*meanwhile*/) {
    _calls->take_queries();
  }
  void ask(std::int64_t /*first*/, std::int64_t /*step*/, int /*count*/) const {}
  template <class DrawnRows>
  void scores(std::int64_t first, std::int64_t step, int count, Float* score, std::int64_t next, int next_count,
              const DrawnRows& /*drawn*/, std::int64_t end = 0) {
    _calls->scores(first, step, count, score, next, next_count, end);
  }
  void scores_again(const std::int32_t* index, int count, Float* score) { _calls->scores_again(index, count, score); }
  void clear() { _calls->clear(); }
  template <class Ahead>
  void gather(const std::int32_t* index, int count, const Ahead& ahead, const float* weight, int weight_stride) {
    std::int32_t next[lanes::HostGroup::size];
    for (int i = 0; i < count; ++i) next[i] = ahead(i);
    _calls->gather(index, count, next, weight, weight_stride);
  }
  void ask_row(std::int32_t index) const { _calls->ask_row(index); }
  [[nodiscard]] float squared_distance(std::int32_t index, const float* center) const {
    return _calls->squared_distance(index, center);
  }
  void rescale(int head, float factor) { _calls->rescale(head, factor); }
  void store_sums(float* to, int head_stride) const { _calls->store_sums(to, head_stride); }
  [[nodiscard]] std::uint32_t flags() const { return _calls->flags(); }

 private:
  StageCalls* _calls;
};

/// The stages of any cache: its own, as bytes, and how one is made of them.
template <bool is_rescored>
class AnyStages {
  using Group = lanes::HostGroup;

 public:
  template <class Extents>
  using Stage = AnyStage<is_rescored>;

  template <class Extents, class Stages>
  AnyStages(Extents /*extents*/, const Stages& stages) : _functions(functions_of<Extents, Stages>()) {
    static_assert(sizeof(Stages) <= sizeof(_bytes) && alignof(Stages) <= bytes_alignment,
                  "santa: addresses and modifier must be at most 2 KiB, and aligned to at most 16 bytes");
    static_assert(std::is_trivially_copyable_v<Stages>, "santa: addresses and modifier must be copyable as bytes");
    std::memcpy(_bytes, &stages, sizeof(Stages));
  }

  template <class Extents, class Stages>
  static StageFunctions functions_of() {
    return {reinterpret_cast<void (*)()>(static_cast<Make*>(make<Extents, Stages>)), shared<Extents, Stages>,
            own<Extents, Stages>, sizeof(Stages)};
  }
  [[nodiscard]] const StageFunctions& functions() const { return _functions; }
  /// Has the same stages made by another build's functions, for kernels of that build.
  void use(const StageFunctions& functions) { _functions = functions; }

  template <class Extents>
  [[nodiscard]] std::size_t shared_floats(int heads, RowDims dims) const {
    return _functions.shared(heads, dims);
  }
  template <class Extents>
  [[nodiscard]] std::size_t own_floats(int heads, RowDims dims) const {
    return _functions.own(heads, dims);
  }
  template <class Extents>
  [[nodiscard]] AnyStage<is_rescored> stage(const Group& group, const Arguments& a, const Unit& unit, float* shared,
                                            float* own) const {
    static_assert(Group::groups_per_team == 1);  // the stage lies in scratch that several would reuse for states
    const auto make_stage = reinterpret_cast<Make*>(_functions.make);
    return AnyStage<is_rescored>(make_stage(_bytes, group, a, unit, shared, own));
  }

 private:
  using Make = StageCalls*(const std::byte*, const Group&, const Arguments&, const Unit&, float*, float*);
  static constexpr std::size_t line = 64;
  static constexpr std::size_t bytes_alignment = 16;
  template <class Object>
  static constexpr std::size_t object_floats = (sizeof(Object) + line - 1) / line* line / sizeof(float);

  // Scratch of a group: what aligns the stage, the stage, what it uses itself.
  template <class Extents, class Stages>
  static std::size_t own(int heads, RowDims dims) {
    using Object = StageBehindCalls<typename Stages::template Stage<Extents>>;
    return line / sizeof(float) + object_floats<Object> + Stages::template own_floats<Extents>(heads, dims);
  }
  template <class Extents, class Stages>
  static std::size_t shared(int heads, RowDims dims) {
    return Stages::template shared_floats<Extents>(heads, dims);
  }
  template <class Extents, class Stages>
  static StageCalls* make(const std::byte* bytes, const Group& group, const Arguments& a, const Unit& unit,
                          float* shared, float* own) {
    using Object = StageBehindCalls<typename Stages::template Stage<Extents>>;
    static_assert(alignof(Object) <= line);
    const auto* const stages = std::launder(reinterpret_cast<const Stages*>(bytes));
    const auto at = reinterpret_cast<std::uintptr_t>(own);
    float* const place = own + (line - at % line) % line / sizeof(float);
    return new (place)
        Object(group, a, stages->addresses, stages->modifier, unit, shared, place + object_floats<Object>);
  }

  StageFunctions _functions;
  alignas(bytes_alignment) std::byte _bytes[2048];
};

}  // namespace santa::detail::inline SANTA_BUILD
