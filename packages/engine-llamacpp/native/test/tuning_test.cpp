#include "tuning.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "library.hpp"
#include "made_up_machine.hpp"

using namespace mobillm;
using namespace mobillm::llamacpp;

namespace {

const TunedModel kModel{.architecture = "llama",
                        .vocabulary_size = 100,
                        .layers = 2,
                        .heads = 9,
                        .file_bytes = 1000,
                        .cpu_only = true,
                        .repacked = true};

// A phone whose last processors are the big ones. Its numbers are this machine's: threads are
// really kept to them.
class Phone : public MadeUpMachine {
 public:
  explicit Phone(const std::string& allowed, int little, int big) {
    put("/proc/self/status", "Cpus_allowed_list:\t" + allowed + "\n");
    put("/sys/devices/system/cpu/online", "0-" + std::to_string(little + big - 1) + "\n");
    for (int cpu = 0; cpu < little + big; ++cpu) {
      put_cpu(cpu, "cpu_capacity", cpu < little ? "300\n" : "1024\n");
    }
  }
  TuningOptions options() const {
    TuningOptions options;
    options.folder = root() + "/calibration";
    options.system_root = root();
    return options;
  }
  // The one file in which measurements are kept; empty where there is none.
  std::string kept() const {
    std::error_code trouble;
    for (const auto& entry :
         std::filesystem::directory_iterator(root() + "/calibration", trouble)) {
      return entry.path().string();
    }
    return {};
  }
};

ContextOptions context_options() {
  ContextOptions context;
  context.context_tokens = 1024;
  return context;
}

// A model's thread, as far as tuning goes.
class Opened {
 public:
  explicit Opened(const TuningOptions& options, const ContextOptions& asked = context_options(),
                  const TunedModel& model = kModel)
      : context(asked), tuning(options, model, [](const std::function<void()>&) {}) {
    tuning.begin(context);
    const CpuLoadProbe load;
    tuning.start(nullptr, context, load, [this](int threads) { made.push_back(threads); });
  }
  int threads() const { return made.back(); }

  ContextOptions context;
  std::vector<int> made;  // the threads that were asked for, in order
  Tuning tuning;
};

// Runs on a thread that may be kept to some processors, and leaves the test's own as it is.
void on_a_thread(const std::function<void()>& body) { std::thread(body).join(); }

void keep(const Phone& phone, const ContextOptions& context, const Calibration& calibration) {
  CHECK(calibration_file(kModel, context, read_processors(phone.root()), phone.options())
            .write(calibration));
}

void what_is_given_is_taken() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    TuningOptions options = phone.options();
    options.threads = 1;
    ContextOptions context = context_options();
    context.flash_attention = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    const Opened opened(options, context);
    CHECK_EQUAL(opened.threads(), 1);
    CHECK(opened.context.flash_attention == LLAMA_FLASH_ATTN_TYPE_DISABLED);
    const TuningFacts facts = opened.tuning.facts();
    CHECK(facts.threads == Source::kGiven);
    CHECK(facts.flash_source == Source::kGiven);
    CHECK(!facts.flash);
    CHECK(!facts.calibrating);
  });
}

void what_is_left_open_is_to_be_measured() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    const Opened opened(phone.options());
    // Till then the CPU takes a matrix of scores.
    CHECK(opened.context.flash_attention == LLAMA_FLASH_ATTN_TYPE_DISABLED);
    const TuningFacts facts = opened.tuning.facts();
    CHECK(facts.threads == Source::kDefault || opened.threads() == 1);
    CHECK(facts.flash_source == Source::kDefault);
    CHECK(!facts.flash && !facts.flash_measured);
    CHECK(facts.calibrating);
    CHECK(resolve_flash_attention(kModel, context_options(), phone.options()) ==
          LLAMA_FLASH_ATTN_TYPE_DISABLED);
  });
}

void nothing_is_measured_where_that_is_off() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    keep(phone, context_options(), {.threads = 1, .flash_attention = true});
    TuningOptions options = phone.options();
    options.calibrates = false;
    const Opened opened(options);
    const TuningFacts facts = opened.tuning.facts();
    CHECK(!facts.calibrating);
    // Nor is taken what was measured before.
    CHECK(facts.threads != Source::kCached);
    CHECK(!facts.flash && facts.flash_source == Source::kDefault);
    CHECK(!facts.flash_measured);
    CHECK(resolve_flash_attention(kModel, context_options(), options) ==
          LLAMA_FLASH_ATTN_TYPE_DISABLED);
  });
}

void quantized_values_leave_no_choice() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    ContextOptions context = context_options();
    context.value_type = GGML_TYPE_Q8_0;
    keep(phone, context, {.threads = 1, .flash_attention = false});
    const Opened opened(phone.options(), context);
    const TuningFacts facts = opened.tuning.facts();
    CHECK(facts.flash && facts.flash_source == Source::kRequired);
    CHECK(opened.context.flash_attention == LLAMA_FLASH_ATTN_TYPE_AUTO);
  });
}

void what_was_measured_before_is_taken() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    keep(phone, context_options(), {.threads = 1, .flash_attention = false});
    const Opened opened(phone.options());
    CHECK_EQUAL(opened.threads(), 1);
    CHECK(opened.context.flash_attention == LLAMA_FLASH_ATTN_TYPE_DISABLED);
    const TuningFacts facts = opened.tuning.facts();
    CHECK(facts.threads == Source::kCached);
    CHECK(facts.flash_source == Source::kCached);
    CHECK(!facts.flash && facts.flash_measured == false);
    CHECK(!facts.calibrating);
    CHECK(resolve_flash_attention(kModel, context_options(), phone.options()) ==
          LLAMA_FLASH_ATTN_TYPE_DISABLED);
  });
}

void blocks_that_were_measured_to_be_faster_are_taken() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    keep(phone, context_options(), {.threads = 1, .flash_attention = true});
    const Opened opened(phone.options());
    CHECK(opened.context.flash_attention == LLAMA_FLASH_ATTN_TYPE_AUTO);
    const TuningFacts facts = opened.tuning.facts();
    CHECK(facts.flash && facts.flash_source == Source::kCached);
    CHECK(facts.flash_measured == true);
    CHECK(resolve_flash_attention(kModel, context_options(), phone.options()) ==
          LLAMA_FLASH_ATTN_TYPE_AUTO);
    // Another model knows nothing of it.
    TunedModel other = kModel;
    other.file_bytes += 1;
    CHECK(resolve_flash_attention(other, context_options(), phone.options()) ==
          LLAMA_FLASH_ATTN_TYPE_DISABLED);
  });
}

// Where the engine has no choice of its own, the library's is kept.
void check_library_chooses(const ContextOptions& context, const TunedModel& model) {
  on_a_thread([&] {
    const Phone phone("0-1", 0, 2);
    const Opened opened(phone.options(), context, model);
    CHECK(opened.context.flash_attention == LLAMA_FLASH_ATTN_TYPE_AUTO);
    const TuningFacts facts = opened.tuning.facts();
    CHECK(facts.flash && facts.flash_source == Source::kDefault);
    CHECK(resolve_flash_attention(model, context, phone.options()) == LLAMA_FLASH_ATTN_TYPE_AUTO);
  });
}

void the_library_chooses_where_no_matrix_is_known_to_do() {
  // 512 tokens × 4 bytes × 8 heads × 8192 cells are 128 MiB.
  TunedModel eight = kModel;
  eight.heads = 8;
  ContextOptions context = context_options();
  context.context_tokens = 8192;
  on_a_thread([&] {
    const Phone phone("0-1", 0, 2);
    CHECK(resolve_flash_attention(eight, context, phone.options()) ==
          LLAMA_FLASH_ATTN_TYPE_DISABLED);
  });
  ContextOptions more = context;
  more.context_tokens += 256;
  check_library_chooses(more, eight);
  more = context;
  more.pool_tokens = 8448;
  check_library_chooses(more, eight);
  check_library_chooses(context, kModel);
  TunedModel unknown = kModel;
  unknown.heads = 0;
  check_library_chooses(context_options(), unknown);
  TunedModel offloaded = kModel;
  offloaded.cpu_only = false;
  check_library_chooses(context_options(), offloaded);
  ContextOptions vectors = context_options();
  vectors.generates = false;
  check_library_chooses(vectors, kModel);
}

void a_matrix_that_takes_much_memory_is_not_taken() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    keep(phone, context_options(), {.threads = 1, .flash_attention = false});
    ContextOptions large = context_options();
    large.context_tokens = 65536;
    const Opened opened(phone.options(), large);
    const TuningFacts facts = opened.tuning.facts();
    CHECK(facts.flash && facts.flash_source == Source::kDefault);
    CHECK(facts.flash_measured == false);
    CHECK(opened.context.flash_attention == LLAMA_FLASH_ATTN_TYPE_AUTO);
  });
}

void what_was_measured_beside_others_is_measured_again() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    keep(phone, context_options(), {.threads = 1, .flash_attention = true, .contended = true});
    const Opened opened(phone.options());
    CHECK_EQUAL(opened.threads(), 1);
    CHECK(opened.tuning.facts().calibrating);
  });
}

void a_broken_file_counts_as_none() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    keep(phone, context_options(), {.threads = 1, .flash_attention = false});
    std::ofstream(phone.kept()) << "threads 4096";
    const Opened opened(phone.options());
    CHECK(opened.tuning.facts().threads != Source::kCached);
    CHECK(opened.tuning.facts().calibrating);
  });
}

void more_threads_than_there_are_are_not_believed() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    keep(phone, context_options(), {.threads = 4096, .flash_attention = true});
    const Opened opened(phone.options());
    CHECK(opened.threads() <= 2);
  });
}

void a_model_on_another_device_is_not_measured() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    TunedModel model = kModel;
    model.cpu_only = false;
    const Opened opened(phone.options(), context_options(), model);
    CHECK(!opened.tuning.facts().calibrating);
  });
}

void threads_keep_to_the_big_cores() {
  const ProcessorList all = allowed_processor_list();
  if (all.size() < 2) {
    std::cout << "skipped: with one processor there are no others to keep away from\n";
    return;
  }
  const Phone phone(format_processor_list(all), all.back(), 1);
  const ProcessorList big{all.back()};
  ProcessorList own;
  ProcessorList with_more;
  ProcessorList started;
  on_a_thread([&] {
    Opened opened(phone.options());
    CHECK_EQUAL(opened.threads(), 1);
    own = allowed_processor_list();
    std::thread([&] { started = allowed_processor_list(); }).join();
    CHECK(opened.tuning.facts().processors == big);
    // More threads than big cores cannot all run there.
    opened.tuning.use_threads(2);
    with_more = allowed_processor_list();
    CHECK(opened.tuning.facts().processors.empty());
    opened.tuning.use_threads(1);
    CHECK(opened.tuning.facts().processors == big);
  });
  CHECK(own == big);
  CHECK(started == big);
  CHECK(with_more == all);
}

void threads_go_anywhere_where_that_is_wanted_or_all_are_alike() {
  const ProcessorList all = allowed_processor_list();
  const Phone mixed(format_processor_list(all), all.back(), 1);
  const Phone alike(format_processor_list(all), 0, all.back() + 1);
  on_a_thread([&] {
    TuningOptions off = mixed.options();
    off.affinity = Affinity::kOff;
    const Opened opened(off);
    CHECK(allowed_processor_list() == all);
    CHECK(opened.tuning.facts().processors.empty());
  });
  on_a_thread([&] {
    const Opened opened(alike.options());
    CHECK(allowed_processor_list() == all);
    CHECK(opened.tuning.facts().processors.empty());
  });
  on_a_thread([&] {
    TuningOptions big = alike.options();
    big.affinity = Affinity::kBig;
    const Opened opened(big);
    CHECK(opened.tuning.facts().processors == all);
  });
}

void steps_that_are_held_up_lower_the_threads() {
  const ProcessorList all = allowed_processor_list();
  if (all.size() < 2) {
    std::cout << "skipped: one thread is never lowered\n";
    return;
  }
  on_a_thread([&] {
    const Phone phone("0-1", 0, 2);
    TuningOptions options = phone.options();
    options.calibrates = false;
    Opened opened(options);
    if (opened.threads() < 2) {
      std::cout << "skipped: others leave this machine one processor\n";
      return;
    }
    const Token token = 1;
    const StepItem decoding{.tokens = std::span(&token, 1), .logit_rows = 1};
    const std::vector<Token> prompt(64);
    const StepItem prefilling{.tokens = prompt, .logit_rows = 1};
    for (int step = 0; step < 20; ++step) opened.tuning.after_step(std::span(&decoding, 1), 10);
    // What a prompt takes says nothing.
    for (int step = 0; step < 20; ++step) opened.tuning.after_step(std::span(&prefilling, 1), 900);
    CHECK_EQUAL(opened.threads(), 2);
    CHECK(opened.tuning.facts().threads == Source::kDefault);
    for (int step = 0; step < 5; ++step) opened.tuning.after_step(std::span(&decoding, 1), 200);
    CHECK_EQUAL(opened.threads(), 1);
    for (int step = 0; step < 8; ++step) opened.tuning.after_step(std::span(&decoding, 1), 20);
    CHECK_EQUAL(opened.threads(), 1);
    CHECK(opened.tuning.facts().threads == Source::kContention);
    // The user's word ends that.
    opened.tuning.use_threads(2);
    for (int step = 0; step < 20; ++step) opened.tuning.after_step(std::span(&decoding, 1), 10);
    for (int step = 0; step < 20; ++step) opened.tuning.after_step(std::span(&decoding, 1), 900);
    CHECK_EQUAL(opened.threads(), 2);
    CHECK(opened.tuning.facts().threads == Source::kGiven);
  });
}

void the_library_may_have_no_other_attention() {
  on_a_thread([] {
    const Phone phone("0-1", 0, 2);
    TuningOptions options = phone.options();
    options.threads = 1;
    keep(phone, context_options(), {.threads = 1, .flash_attention = true, .contended = true});
    Opened opened(options);
    CHECK(opened.tuning.facts().calibrating);
    opened.tuning.read_context_log("llama_context: flash_attn = auto\nall is well\n");
    CHECK(opened.tuning.facts().flash && opened.tuning.facts().calibrating);
    opened.tuning.read_context_log("resolve: Flash Attention not supported, set to disabled\n");
    const TuningFacts facts = opened.tuning.facts();
    CHECK(!facts.flash && facts.flash_source == Source::kRequired);
    CHECK(!facts.calibrating);
  });
}

}  // namespace

int main() {
  initialize_library("");
  what_is_given_is_taken();
  what_is_left_open_is_to_be_measured();
  nothing_is_measured_where_that_is_off();
  quantized_values_leave_no_choice();
  what_was_measured_before_is_taken();
  blocks_that_were_measured_to_be_faster_are_taken();
  the_library_chooses_where_no_matrix_is_known_to_do();
  a_matrix_that_takes_much_memory_is_not_taken();
  what_was_measured_beside_others_is_measured_again();
  a_broken_file_counts_as_none();
  more_threads_than_there_are_are_not_believed();
  a_model_on_another_device_is_not_measured();
  threads_keep_to_the_big_cores();
  threads_go_anywhere_where_that_is_wanted_or_all_are_alike();
  steps_that_are_held_up_lower_the_threads();
  the_library_may_have_no_other_attention();
}
