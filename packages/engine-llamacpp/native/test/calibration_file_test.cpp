#include "calibration_file.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "check.hpp"

using mobillm::llamacpp::Calibration;
using mobillm::llamacpp::CalibrationFile;
using mobillm::llamacpp::format_calibration;
using mobillm::llamacpp::parse_calibration;

namespace {

namespace fs = std::filesystem;

const Calibration kFull{.threads = 3, .flash_attention = false, .contended = false};
const Calibration kOther{.threads = 1234, .flash_attention = true, .contended = true};

// A folder that is gone at the end.
struct Folder {
  Folder() {
    std::random_device random;
    path = fs::temp_directory_path() / ("mobillm-calibration-" + std::to_string(random()));
    fs::create_directories(path);
  }
  ~Folder() {
    std::error_code trouble;
    fs::permissions(path, fs::perms::owner_all, trouble);
    fs::remove_all(path, trouble);
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
  fs::path path;
};

void put(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

void what_is_written_is_read_again() {
  const Folder folder;
  const std::string below = (folder.path / "not" / "there" / "yet").string();
  const CalibrationFile file(below, "a device, a build, a model");
  CHECK(!file.read());
  for (const Calibration& calibration :
       {kFull, kOther, Calibration{}, Calibration{.threads = 1, .flash_attention = {}}}) {
    CHECK(file.write(calibration));
    CHECK(file.read() == calibration);
  }
  // Another device knows nothing of it.
  CHECK(!CalibrationFile(below, "another device, a build, a model").read());
}

void a_key_may_hold_anything() {
  const Folder folder;
  const CalibrationFile file(folder.path.string(), "line\nthreads 9\n\r\t\x01 end");
  CHECK(file.write(kFull));
  CHECK(file.read() == kFull);
  CHECK(CalibrationFile(folder.path.string(), "").write(kOther));
  CHECK(CalibrationFile(folder.path.string(), "").read() == kOther);
}

void a_key_of_the_same_name_is_not_taken_for_it() {
  const Folder folder;
  const CalibrationFile file(folder.path.string(), "mine");
  put(file.path(), format_calibration(kFull, "theirs"));
  CHECK(!file.read());
}

void garbage_counts_as_nothing() {
  const Folder folder;
  const CalibrationFile file(folder.path.string(), "key");
  const std::string good = format_calibration(kFull, "key");
  for (std::size_t length = 0; length < good.size(); ++length) {
    CHECK(!parse_calibration(good.substr(0, length), "key"));
  }
  CHECK(!parse_calibration(good + "\n", "key"));
  CHECK(!parse_calibration(good + "more", "key"));
  const std::string head = "mobillm calibration 2\nkey key\n";
  for (const char* rest : {"threads 0\nflash-attention on\ncontended no\n",
                           "threads -1\nflash-attention on\ncontended no\n",
                           "threads 4097\nflash-attention on\ncontended no\n",
                           "threads 99999999999999999999\nflash-attention on\ncontended no\n",
                           "threads 2 \nflash-attention on\ncontended no\n",
                           "threads x\nflash-attention on\ncontended no\n",
                           "threads\nflash-attention on\ncontended no\n",
                           "threads 2\nflash-attention maybe\ncontended no\n",
                           "threads 2\nflash-attention on\ncontended\n",
                           "flash-attention on\nthreads 2\ncontended no\n"}) {
    CHECK(!parse_calibration(head + rest, "key"));
    put(file.path(), head + rest);
    CHECK(!file.read());
  }
  put(file.path(), std::string(1 << 20, 'x'));
  CHECK(!file.read());
  CHECK(file.write(kFull));
  CHECK(file.read() == kFull);
}

void bytes_changed_at_random_never_harm() {
  const std::string good = format_calibration(kOther, "key");
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string text = good;
    for (int change = 0; change <= round % 3; ++change) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    const auto read = parse_calibration(text, "key");
    CHECK(!read || !read->threads || (*read->threads >= 1 && *read->threads <= 4096));
  }
}

void no_folder_is_no_failure() {
  const CalibrationFile file("", "key");
  CHECK(file.path().empty());
  CHECK(!file.write(kFull));
  CHECK(!file.read());
}

void a_place_that_takes_no_files_is_no_failure() {
  const Folder folder;
  // A file where the folder should be holds for everybody, root included.
  const std::string blocked = (folder.path / "file").string();
  put(blocked, "not a folder");
  const CalibrationFile file(blocked, "key");
  CHECK(!file.write(kFull));
  CHECK(!file.read());
  CHECK_EQUAL(folder.files(), 1U);

  // A folder where the file should be.
  const CalibrationFile taken(folder.path.string(), "key");
  fs::create_directories(taken.path() + "/inside");
  CHECK(!taken.write(kFull));
  CHECK(!taken.read());
  CHECK_EQUAL(folder.files(), 2U);
}

#if !defined(_WIN32)
void a_folder_that_may_not_be_written_is_no_failure() {
  if (geteuid() == 0) {
    std::cout << "skipped: nothing is read-only for root; the case is covered by a blocked path\n";
    return;
  }
  const Folder folder;
  fs::permissions(folder.path, fs::perms::owner_read | fs::perms::owner_exec);
  const CalibrationFile file(folder.path.string(), "key");
  CHECK(!file.write(kFull));
  CHECK(!file.read());
}

void a_pipe_is_not_waited_for() {
  const Folder folder;
  const CalibrationFile file(folder.path.string(), "key");
  CHECK_EQUAL(mkfifo(file.path().c_str(), 0600), 0);
  CHECK(!file.read());
  CHECK(file.write(kFull));
  CHECK(file.read() == kFull);
}
#endif

void writers_at_once_leave_one_whole_file() {
  const Folder folder;
  std::atomic<bool> over{false};
  std::atomic<int> reads{0};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < 4; ++writer) {
    threads.emplace_back([&, writer] {
      const CalibrationFile file(folder.path.string(), "key");
      for (int round = 0; round < 200; ++round) CHECK(file.write(writer % 2 == 0 ? kFull : kOther));
    });
  }
  std::thread reader([&] {
    const CalibrationFile file(folder.path.string(), "key");
    bool seen = false;
    while (!over) {
      const auto read = file.read();
      // Once it is there, it never goes, and it is never half of one and half of another.
      CHECK(read ? *read == kFull || *read == kOther : !seen);
      seen = seen || read.has_value();
      ++reads;
    }
  });
  for (std::thread& thread : threads) thread.join();
  over = true;
  reader.join();
  CHECK(reads > 0);
  CHECK_EQUAL(folder.files(), 1U);
}

}  // namespace

int main() {
  what_is_written_is_read_again();
  a_key_may_hold_anything();
  a_key_of_the_same_name_is_not_taken_for_it();
  garbage_counts_as_nothing();
  bytes_changed_at_random_never_harm();
  no_folder_is_no_failure();
  a_place_that_takes_no_files_is_no_failure();
#if !defined(_WIN32)
  a_folder_that_may_not_be_written_is_no_failure();
  a_pipe_is_not_waited_for();
#endif
  writers_at_once_leave_one_whole_file();
}
