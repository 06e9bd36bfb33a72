// Characters and JavaScript's UTF-16 to UTF-8, strictly: what is not a character is refused, not
// replaced.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mobillm {

// Result of `to_utf8`: the bytes, or the index of the code unit that is a lone surrogate.
struct Utf8Result {
  std::string text;
  std::optional<std::size_t> lone_surrogate_at;
};

// `point` is no surrogate, and at most 0x10FFFF.
inline void append_utf8(std::string& out, char32_t point) {
  const auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | ((point >> shift) & 0x3F)));
  };
  if (point < 0x80) {
    out.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (point >> 6)));
    tail(0);
  } else if (point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (point >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | (point >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

inline Utf8Result to_utf8(std::u16string_view units) {
  Utf8Result result;
  std::string& out = result.text;
  out.reserve(units.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    char32_t point = units[i];
    if (point >= 0xD800 && point <= 0xDFFF) {
      const bool paired =
          point < 0xDC00 && i + 1 < units.size() && (units[i + 1] & 0xFC00) == 0xDC00;
      if (!paired) {
        result.lone_surrogate_at = i;
        return result;
      }
      point = 0x10000 + ((point - 0xD800) << 10) + (units[++i] - 0xDC00u);
    }
    append_utf8(out, point);
  }
  return result;
}

}  // namespace mobillm
