#include "accuracy/study.hpp"

#include "accuracy/extended.hpp"
#include "accuracy/group_problem.hpp"
#include "accuracy/library_runs.hpp"
#include "decode/error.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace santa::accuracy {
namespace {

using example::Capture;
using example::CapturedLayer;
using example::UserError;

/// The first word of a capture's note about its text, up to a colon: "prose: ..."; else the file's name.
std::string text_name(const Capture& capture) {
  const std::size_t colon = capture.text.find(':');
  return colon == std::string::npos || colon > 20 ? capture.source : capture.text.substr(0, colon);
}

/// Whether the layer is asked for.
bool is_chosen(const Options& options, int layer) {
  return options.layers.empty() || std::count(options.layers.begin(), options.layers.end(), layer) > 0;
}

class StageStudy {
 public:
  StageStudy(const Options& options, const std::string& text, Cases& cases)
      : _options(options), _text(text), _cases(cases) {}

  void run(const GroupProblem& group) {
    for (const Stage* const stage : _options.stages) {
      std::optional<GroupOutcome> fewest;  // of the smallest share there is: the same for all that are smaller
      for (const double share : _options.shares) {
        const StageReads reads = reads_of_bytes(group, *stage, share);
        const bool kept = bytes_share(group, *stage, reads) <= share * (1. + 1e-9);
        if (kept && stage->reads == RowReads::none) continue;  // it reads less than it is given: noted further down
        if (kept)
          note(group, *stage, share, reads, stage->run(group, reads, _options.seeds));
        else
          note(group, *stage, share, reads,
               fewest ? *fewest : fewest.emplace(stage->run(group, reads, _options.seeds)));
      }
      for (const double budget : _options.shares.empty() ? _options.budgets : std::vector<double>{}) {
        const StageReads reads = reads_of_rows(group, *stage, budget);
        note(group, *stage, budget, reads, stage->run(group, reads, _options.seeds));
      }
    }
  }

 private:
  void note(const GroupProblem& group, const Stage& stage, double budget, StageReads reads,
            const GroupOutcome& outcome) {
    reads.rows = outcome.rows;
    for (std::size_t head = 0; head < outcome.heads.size(); ++head)
      _cases.cases.push_back({group.length, _text, group.layer, group.query_head(static_cast<std::int64_t>(head)),
                              std::string(stage.name), budget, outcome.rows / static_cast<double>(group.length),
                              reads.key_bytes, outcome.heads[head], _options.seeds, bytes_share(group, stage, reads)});
  }

  const Options& _options;
  const std::string& _text;
  Cases& _cases;
};

class LayerStudy {
 public:
  LayerStudy(const Options& options, std::string text, std::vector<GroupProblem> groups, Cases& cases)
      : _options(options), _text(std::move(text)), _groups(std::move(groups)), _cases(cases) {}

  void run(double budget) {
    const example::MethodEntry& method = example::find_method(default_method);
    std::vector<double> rows;
    double sum = 0.;
    for (const GroupProblem& group : _groups) {
      const GroupOutcome outcome =
          run_library(group, method, budget * static_cast<double>(group.length), _options.seeds);
      note(group, method.name, budget, outcome);
      rows.push_back(outcome.rows);
      sum += outcome.rows;
    }
    const double layer_delta = _options.variants.empty() ? 0. : delta_of_layer(_groups, sum);
    for (std::size_t i = 0; i < _groups.size(); ++i) {
      for (const example::MethodEntry* const other : _options.methods)
        note(_groups[i], other->name, budget, run_library_at(_groups[i], *other, rows[i], _options.seeds));
      for (const Variant* const variant : _options.variants)
        note(_groups[i], variant->name, budget,
             run_variant(_groups[i], *variant, rows[i], layer_delta, _options.seeds));
    }
  }

 private:
  void note(const GroupProblem& group, std::string_view method, double budget,
            const std::optional<GroupOutcome>& outcome) {
    if (!outcome) {
      _cases.left_out.push_back({group.length, _text, group.layer, group.kv_head, std::string(method), budget});
      return;
    }
    for (std::size_t head = 0; head < outcome->heads.size(); ++head)
      _cases.cases.push_back({group.length, _text, group.layer, group.query_head(static_cast<std::int64_t>(head)),
                              std::string(method), budget, outcome->rows / static_cast<double>(group.length),
                              outcome->parameter, outcome->heads[head], _options.seeds});
  }

  const Options& _options;
  std::string _text;
  std::vector<GroupProblem> _groups;
  Cases& _cases;
};

}  // namespace

Cases run_study(const Options& options, example::Progress& progress) {
  Cases cases;
  for (const std::filesystem::path& file : options.files) {
    const Capture capture = example::read_capture(file);
    if (&file != &options.files.front() && capture.model != cases.model)
      throw UserError(capture.source + ": the model is " + example::quote(capture.model) +
                      ", that of the captures before " + example::quote(cases.model) + "; one study is of one model");
    cases.model = capture.model;
    std::size_t done = 0;
    for (const CapturedLayer& captured : capture.layers) {
      progress.say(capture.source, done++, capture.layers.size());
      if (!is_chosen(options, captured.index)) continue;
      Shape shape = capture.shape;
      const CapturedLayer layer =
          options.extend > 0 ? extended(captured, shape, options.extend, static_cast<std::uint64_t>(captured.index))
                             : captured;
      const std::string text = text_name(capture);
      std::vector<GroupProblem> groups = groups_of(layer, shape, capture.scale);
      if (!options.stages.empty()) {
        StageStudy study(options, text, cases);
        for (const GroupProblem& group : groups) study.run(group);
      } else {
        LayerStudy study(options, text, std::move(groups), cases);
        for (const double budget : options.budgets) study.run(budget);
      }
    }
  }
  if (cases.cases.empty()) throw UserError("no capture has a layer of --layer");
  return cases;
}

}  // namespace santa::accuracy
