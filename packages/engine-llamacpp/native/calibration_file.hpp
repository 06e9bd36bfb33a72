// What was measured of a model on this device, kept between processes. Plain C++ that knows no
// library.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mobillm::llamacpp {

// What was measured; what was not is empty.
struct Calibration {
  // The fewest threads that decode as fast as any number, 1 to 4096.
  std::optional<int> threads;
  // Whether attention by blocks is faster than with a matrix of scores.
  std::optional<bool> flash_attention;
  // Whether others kept the processors busy meanwhile: good to begin with, and to be measured
  // again.
  bool contended = false;

  bool operator==(const Calibration&) const = default;
};

// One file a key in a folder. A file is either there in full or not at all, whoever else writes it
// at the same time, and one that is anything but what `write` writes counts as none.
class CalibrationFile {
 public:
  // `folder` may be missing; an empty one stands for none, and then nothing is kept. A key is any
  // text; it says all that the measurement depends on.
  CalibrationFile(std::string folder, std::string key);

  // Empty where nothing was kept under this key. Never fails.
  std::optional<Calibration> read() const noexcept;
  // Returns whether it could; that it could not is nothing to fail for.
  bool write(const Calibration& calibration) const noexcept;

  // Empty where nothing is kept.
  const std::string& path() const { return path_; }

 private:
  std::string folder_;
  std::string key_;
  std::string path_;
};

// What a file holds for a key, and back; empty where it is not of that form or of another key.
std::string format_calibration(const Calibration& calibration, std::string_view key);
std::optional<Calibration> parse_calibration(std::string_view text, std::string_view key);

// Where files lie by default: `calibration` in $MOBILLM_CACHE_DIR, or in `mobillm` below
// $XDG_CACHE_HOME, ~/.cache, %LOCALAPPDATA%. Empty where the environment names none of these.
std::string default_calibration_folder();

}  // namespace mobillm::llamacpp
