#include "library_log.hpp"

#include <llama.h>

#include <string>
#include <thread>

#include "check.hpp"

using mobillm::add_log_sink;
using mobillm::LogLevel;
using mobillm::remove_log_sink;
using mobillm::llamacpp::install_library_log;
using mobillm::llamacpp::LogCapture;

namespace {

// Has the library itself log an error.
void provoke() {
  llama_model* model =
      llama_model_load_from_file("there/is/no/such.gguf", llama_model_default_params());
  CHECK(model == nullptr);
}

void sinks_hear_lines_of_their_level_until_they_are_removed() {
  std::string heard;
  std::string debug;
  const auto errors = add_log_sink(LogLevel::kError, [&](LogLevel level, const std::string& line) {
    CHECK(level == LogLevel::kError);
    CHECK(line.find('\n') == std::string::npos);
    heard += line + '|';
  });
  const auto all =
      add_log_sink(LogLevel::kDebug, [&](LogLevel, const std::string& line) { debug += line; });
  provoke();
  CHECK(heard.find("such.gguf") != std::string::npos);
  CHECK(debug.find("such.gguf") != std::string::npos);
  remove_log_sink(errors);
  remove_log_sink(all);
  heard.clear();
  provoke();
  CHECK_EQUAL(heard, "");
}

void captures_collect_what_their_own_thread_logs() {
  const LogCapture outer;
  {
    const LogCapture inner;
    provoke();
    CHECK(inner.text().find("such.gguf") != std::string::npos);
    CHECK(!inner.last_error().empty());
  }
  CHECK_EQUAL(outer.text(), "");
  std::thread(provoke).join();
  CHECK_EQUAL(outer.text(), "");
}

void captures_leave_out_lines_for_debugging_but_those_asked_for() {
  ggml_log_callback log = nullptr;
  void* data = nullptr;
  llama_log_get(&log, &data);
  const LogCapture asking("wanted: ");
  {
    const LogCapture other;
    log(GGML_LOG_LEVEL_DEBUG, "wanted: a\n", data);
    log(GGML_LOG_LEVEL_INFO, "other: a\n", data);
    CHECK_EQUAL(other.text(), "other: a\n");
  }
  log(GGML_LOG_LEVEL_DEBUG, "wanted: b\n", data);
  log(GGML_LOG_LEVEL_DEBUG, "other: wanted: b\n", data);
  CHECK_EQUAL(asking.text(), "wanted: b\n");
}

}  // namespace

int main() {
  install_library_log();
  sinks_hear_lines_of_their_level_until_they_are_removed();
  captures_collect_what_their_own_thread_logs();
  captures_leave_out_lines_for_debugging_but_those_asked_for();
}
