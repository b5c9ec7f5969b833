// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Certificates for tests, made when they are needed: an authority, and what it signs.

#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace rezolus::testing {

struct CertificateAndKey {
  std::string certificate;  // PEM
  std::string key;
};

// An authority of its own for each object.
class TestAuthority {
 public:
  TestAuthority() : key_(::EVP_EC_gen("P-256")) {
    certificate_ = make("authority", "", key_, nullptr, "CA:TRUE");
  }
  ~TestAuthority() {
    ::X509_free(certificate_);
    ::EVP_PKEY_free(key_);
  }
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  [[nodiscard]] std::string certificate() const { return pem(certificate_); }

  // alternative_names: as OpenSSL writes them, "DNS:localhost,IP:127.0.0.1"; empty: none.
  CertificateAndKey issue(const std::string& name, const std::string& alternative_names) {
    EVP_PKEY* key = ::EVP_EC_gen("P-256");
    X509* certificate = make(name, alternative_names, key, certificate_, "CA:FALSE");
    CertificateAndKey made{pem(certificate), pem(key)};
    ::X509_free(certificate);
    ::EVP_PKEY_free(key);
    return made;
  }

  // A key of another type than issue()'s, in PEM.
  static std::string rsa_key() {
    EVP_PKEY* key = ::EVP_RSA_gen(2048);
    std::string text = pem(key);
    ::EVP_PKEY_free(key);
    return text;
  }

 private:
  X509* make(const std::string& name, const std::string& alternative_names, EVP_PKEY* key,
             X509* issuer, const char* constraints) {
    X509* certificate = ::X509_new();
    ::X509_set_version(certificate, 2);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), ++serial_);
    ::X509_gmtime_adj(::X509_getm_notBefore(certificate), -3600);
    ::X509_gmtime_adj(::X509_getm_notAfter(certificate), 24L * 3600);
    ::X509_set_pubkey(certificate, key);
    X509_NAME* subject = ::X509_get_subject_name(certificate);
    ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    ::X509_set_issuer_name(certificate,
                           issuer == nullptr ? subject : ::X509_get_subject_name(issuer));
    extend(certificate, issuer, NID_basic_constraints, constraints);
    if (!alternative_names.empty()) {
      extend(certificate, issuer, NID_subject_alt_name, alternative_names.c_str());
    }
    EXPECT_GT(::X509_sign(certificate, key_, ::EVP_sha256()), 0);
    return certificate;
  }

  static void extend(X509* certificate, X509* issuer, int kind, const char* value) {
    X509V3_CTX context;
    ::X509V3_set_ctx(&context, issuer == nullptr ? certificate : issuer, certificate, nullptr,
                     nullptr, 0);
    X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, &context, kind, value);
    ASSERT_NE(extension, nullptr) << value;
    ::X509_add_ext(certificate, extension, -1);
    ::X509_EXTENSION_free(extension);
  }

  static std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = ::BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    ::BIO_free(bio);
    return text;
  }
  static std::string pem(X509* certificate) {
    BIO* bio = ::BIO_new(::BIO_s_mem());
    ::PEM_write_bio_X509(bio, certificate);
    return text_of(bio);
  }
  static std::string pem(EVP_PKEY* key) {
    BIO* bio = ::BIO_new(::BIO_s_mem());
    ::PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio);
  }

  EVP_PKEY* key_;
  X509* certificate_ = nullptr;
  long serial_ = 0;
};

}  // namespace rezolus::testing
