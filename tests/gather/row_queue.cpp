// The queue of drawn rows.
#include <santa/gather/row_queue.hpp>
#include <santa/lanes/host_group.hpp>

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace santa;
using Group = lanes::HostGroup;
using Queue = detail::RowQueue<Group>;

namespace {

struct Team {};

/// What a queue was given and handed out.
struct Log {
  std::vector<std::int32_t> index;
  std::vector<std::vector<float>> weight, spread;
};

struct Fixture {
  int heads;
  bool with_spread;
  std::vector<float> scratch;
  Queue queue;
  Log in, out;
  std::vector<int> batches;

  Fixture(int head_count, bool spread)
      : heads(head_count),
        with_spread(spread),
        scratch(static_cast<std::size_t>(Queue::scratch_words(head_count))),
        queue(scratch.data(), head_count, spread) {
    for (Log* log : {&in, &out})
      log->weight = log->spread = std::vector<std::vector<float>>(static_cast<std::size_t>(heads));
  }

  void push(std::int32_t first, std::uint32_t rows) {
    detail::Drawn<Group> drawn;
    drawn.rows = rows;
    for (int h = 0; h < heads; ++h) {
      std::vector<float> weight;
      std::vector<float> spread;
      for (int i = 0; i < 32; ++i) {
        weight.push_back(static_cast<float>(first + i) + 0.25F * static_cast<float>(h));
        spread.push_back(-weight.back());
        if (((rows >> i) & 1U) == 0) continue;
        in.weight[static_cast<std::size_t>(h)].push_back(weight.back());
        in.spread[static_cast<std::size_t>(h)].push_back(spread.back());
        if (h == 0) in.index.push_back(first + i);
      }
      drawn.weight[h] = Group::Vector<float>::load(weight.data());
      drawn.spread[h] = Group::Vector<float>::load(spread.data());
    }
    queue.push(Group(Team{}), first, drawn);
  }

  void drain(int keep) {
    queue.drain(Group(Team{}), keep, [&](int at, int count) {
      batches.push_back(count);
      for (int i = at; i < at + count; ++i) {
        out.index.push_back(queue.index()[i]);
        for (int h = 0; h < heads; ++h) {
          out.weight[static_cast<std::size_t>(h)].push_back(queue.weight(h)[i]);
          if (with_spread) out.spread[static_cast<std::size_t>(h)].push_back(queue.spread(h)[i]);
        }
      }
    });
  }
};

}  // namespace

TEST_CASE("queues_hand_out_what_they_were_given_in_order") {
  for (const int heads : {1, 3, 16})
    for (const bool with_spread : {false, true})
      for (const int keep : {Queue::batch, 2 * Queue::batch}) {
        Fixture f(heads, with_spread);
        std::mt19937 random(7);
        for (int tile = 0; tile < 200; ++tile) {
          const auto bits = static_cast<std::uint32_t>(random());
          f.push(32 * tile, tile % 17 == 0  ? 0xffffffffU
                            : tile % 5 == 0 ? 0U
                                            : bits & static_cast<std::uint32_t>(random()));
          f.drain(keep);
          REQUIRE(f.queue.size() < keep);
          REQUIRE(f.queue.size() + 32 <= Queue::capacity);
        }
        for (const int count : f.batches) CHECK(count == Queue::batch);
        f.drain(0);
        CHECK(f.queue.size() == 0);
        CHECK(f.out.index == f.in.index);
        CHECK(f.out.weight == f.in.weight);
        if (with_spread) CHECK(f.out.spread == f.in.spread);
      }
}

TEST_CASE("queues_keep_what_is_less_than_a_batch_until_the_end") {
  Fixture f(2, true);
  f.push(0, 0x7fffU);  // 15 rows
  f.drain(Queue::batch);
  CHECK(f.out.index.empty());
  CHECK(f.queue.size() == 15);
  f.push(32, 0x3U);
  f.drain(Queue::batch);
  CHECK(f.out.index.size() == 16);
  CHECK(f.queue.size() == 1);
  CHECK(f.queue.index()[0] == 33);
  f.drain(0);
  CHECK(f.batches == std::vector<int>{16, 1});
  f.drain(0);
  CHECK(f.batches.size() == 2);
}

TEST_CASE("waiting_rows_follow_a_change_of_reference_in_one_head_only") {
  Fixture f(3, true);
  f.push(0, 0x15U);
  f.queue.rescale(Group(Team{}), 1, 0.5F);
  f.drain(0);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(f.out.weight[0][i] == f.in.weight[0][i]);
    CHECK(f.out.weight[1][i] == 0.5F * f.in.weight[1][i]);
    CHECK(f.out.weight[2][i] == f.in.weight[2][i]);
    CHECK(f.out.spread[0][i] == f.in.spread[0][i]);
    CHECK(f.out.spread[1][i] == 0.25F * f.in.spread[1][i]);
  }
}
