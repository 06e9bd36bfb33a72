#include "mobillm/utf8.hpp"

#include "check.hpp"

using mobillm::to_utf8;

int main() {
  CHECK_EQUAL(to_utf8(u"").text, "");
  CHECK_EQUAL(to_utf8(u"a\u00e9\u20ac\U0001F600z").text, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z");
  CHECK_EQUAL(to_utf8(u"\U00010000\U0010FFFF").text, "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
  CHECK(!to_utf8(u"\uFFFD\uE000\uD7FF").lone_surrogate_at);

  const char16_t high_at_end[] = {u'a', 0xD83D};
  CHECK_EQUAL(to_utf8({high_at_end, 2}).lone_surrogate_at.value(), 1u);
  const char16_t low_first[] = {0xDE00, u'a'};
  CHECK_EQUAL(to_utf8({low_first, 2}).lone_surrogate_at.value(), 0u);
  const char16_t high_twice[] = {u'a', u'b', 0xD83D, 0xD83D, 0xDE00};
  CHECK_EQUAL(to_utf8({high_twice, 5}).lone_surrogate_at.value(), 2u);
}
