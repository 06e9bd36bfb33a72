#include "digest.hpp"

#include <span>
#include <string>

#include "check.hpp"

using mobillm::mlc::BlockDigest;
using mobillm::mlc::Md5;
using mobillm::mlc::Sha256;

namespace {

template <typename Digest>
std::string digest_of(const std::string& text, std::size_t slice) {
  Digest digest;
  const auto bytes = std::as_bytes(std::span(text));
  for (std::size_t at = 0; at < bytes.size(); at += slice) {
    digest.update(bytes.subspan(at, std::min(slice, bytes.size() - at)));
  }
  return digest.finish();
}

// Vectors of RFC 1321 and of NIST's examples for FIPS 180.
void digests_agree_with_the_standards_vectors() {
  CHECK_EQUAL(digest_of<Md5>("", 1), std::string("d41d8cd98f00b204e9800998ecf8427e"));
  CHECK_EQUAL(digest_of<Md5>("message digest", 3), std::string("f96b697d7cb7938d525a2f31aaf161d0"));
  CHECK_EQUAL(digest_of<Sha256>("", 1),
              std::string("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  CHECK_EQUAL(digest_of<Sha256>("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 5),
              std::string("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
  CHECK_EQUAL(digest_of<Sha256>(std::string(1'000'000, 'a'), 1000),
              std::string("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

void slices_do_not_matter() {
  for (std::size_t length : {55u, 56u, 63u, 64u, 65u, 128u, 200u}) {
    const std::string text(length, 'x');
    for (std::size_t slice : {1u, 7u, 64u, 200u}) {
      CHECK_EQUAL(digest_of<Md5>(text, slice), digest_of<Md5>(text, length));
      CHECK_EQUAL(digest_of<Sha256>(text, slice), digest_of<Sha256>(text, length));
    }
  }
}

}  // namespace

int main() {
  digests_agree_with_the_standards_vectors();
  slices_do_not_matter();
}
