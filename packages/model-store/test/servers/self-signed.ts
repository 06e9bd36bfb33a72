/**
 * A certificate for `localhost` that no authority vouches for, and its key. It protects nothing: it is here so that
 * tests need no program that makes one. Valid until 2126.
 */
export const selfSigned = {
  key: `
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUZtJMfuqMzXUvIk/
nuMBv3T8TNGBD4P+jnRlHKhyoGihRANCAAT/m8xxXR8E19Fe1psva5nj2cFyl7Qb
k6y57C59CLN77OxvnRKz8JX+exwc3VxvhX6jITbNI0WxgcAY7mBU80R4
-----END PRIVATE KEY-----
`,
  cert: `
-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUdsKDUidmB71gDE0rdOB8+buwwDkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjIzMzkzOVoYDzIxMjYxMTAy
MjMzOTM5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAT/m8xxXR8E19Fe1psva5nj2cFyl7Qbk6y57C59CLN77OxvnRKz8JX+
exwc3VxvhX6jITbNI0WxgcAY7mBU80R4o28wbTAdBgNVHQ4EFgQUYPsj0QLR0sF1
7n0aRed1w8JnDH0wHwYDVR0jBBgwFoAUYPsj0QLR0sF17n0aRed1w8JnDH0wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgA9QDfc9jj1L1/sTL+sLgGRGgmOJvQ6cmuUdyP6u0jP8CIECG
l8aGBzFLL+j/ohWOUV1sS3OBYN+vXu1kTHdoqW00
-----END CERTIFICATE-----
`,
};
