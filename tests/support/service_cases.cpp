#include "support/service_cases.hpp"

#include <gtest/gtest.h>

#include "domain/javascript.hpp"
#include "support/temporary_folder.hpp"

namespace agentctl {
namespace {

namespace json = boost::json;

struct Exception {
  std::string expected;
  std::string why;
};

// Where we answer differently, and why.
const std::map<std::string, Exception>& exceptions() {
  static const std::map<std::string, Exception> all{
      {"ports/str-space",
       {"spec[0]: port-invalid ( 3001 )", "a number is a JSON number or a string of decimal digits, nothing else"}},
  };
  return all;
}

json::value read(const std::string& name) {
  return json::parse(get_file(std::string(AGENTCTL_TEST_DATA) + "/services/" + name));
}

std::string filled_in(std::string text, const std::map<std::string, std::string>& folders) {
  for (const auto& [name, folder] : folders) {
    const std::string key = "@@" + name + "@@";
    for (std::size_t at = 0; (at = text.find(key, at)) != std::string::npos; at += folder.size())
      text.replace(at, key.size(), folder);
  }
  return text;
}

std::vector<std::string> texts_of(const json::value& array) { return json::value_to<std::vector<std::string>>(array); }

}  // namespace

std::vector<ServiceCase> service_cases(bool require_git, const std::map<std::string, std::string>& folders) {
  const std::string git = require_git ? "_git_on" : "";
  std::vector<ServiceCase> cases;
  const json::value all = read("cases.json");
  for (const json::value& row : all.as_array()) {
    const json::object& given = row.as_object();
    ServiceCase one{.id = std::string(given.at("id").as_string()), .text = {}, .expected = {}, .value = nullptr};
    one.text = given.contains("raw") ? std::string(given.at("raw").as_string()) : stringify(given.at("input"));
    one.text = filled_in(one.text, folders);
    one.is_prefix = given.contains("match");
    one.expected = given.at(one.is_prefix ? "expect_prefix" : "expect" + git).as_string();
    one.expected = filled_in(one.expected, folders);
    if (const json::value* value = given.if_contains("value"))
      one.value = json::parse(filled_in(stringify(*value), folders));
    if (const auto exception = exceptions().find(one.id); exception != exceptions().end()) {
      one.expected = exception->second.expected;
      one.value = nullptr;
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

ServiceRules rules_of_the_cases(bool require_git) {
  const json::value meta = read("cases.meta.json");
  const json::object& limits = meta.at("limits").as_object();
  const auto number = [&](const char* key) { return limits.at(key).to_number<int>(); };
  ServiceRules rules;
  rules.max_specs = static_cast<std::size_t>(number("maxSpecsPerFile"));
  rules.max_args = static_cast<std::size_t>(number("maxArgsCount"));
  rules.max_env = static_cast<std::size_t>(number("maxEnvVars"));
  rules.max_attrs_bytes = static_cast<std::size_t>(number("maxAttrsBytes"));
  rules.max_ttl_minutes = number("maxTtlMinutes");
  rules.default_ttl_minutes = number("defaultTtlMinutes");
  rules.executables = texts_of(limits.at("executableAllowlist"));
  rules.env_keys = texts_of(limits.at("envKeyAllowlist"));
  rules.env_prefixes = texts_of(limits.at("envKeyAllowlistPrefixes"));
  rules.require_git_workdir = require_git;
  return rules;
}

void expect_answer(const ServiceCase& wanted, const CheckedServices& answer) {
  const auto* refusal = std::get_if<ServiceRefusal>(&answer);
  const std::string said = refusal != nullptr ? refusal->reason : "ok";
  if (wanted.is_prefix) {
    EXPECT_TRUE(said.starts_with(wanted.expected) && said.size() > wanted.expected.size()) << wanted.id << ": " << said;
  } else {
    EXPECT_EQ(said, wanted.expected) << wanted.id;
  }
  if (refusal == nullptr && !wanted.value.is_null()) {
    EXPECT_EQ(to_json(std::get<ServiceFile>(answer)), stringify(wanted.value)) << wanted.id;
  }
}

}  // namespace agentctl
