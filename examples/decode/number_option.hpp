// Options with a number. The parser's own conversion stops at what it doesn't understand, takes octal and hexadecimal
// digits, an empty text for 0, and the largest number for any that is larger.
#pragma once

#include "decode/number.hpp"

#include <CLI/CLI.hpp>

#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace santa::example {

/// An option whose text goes to `take(text)`, which throws UserError for what it doesn't accept.
template <class Take>
CLI::Option* add_text(CLI::App& app, const std::string& name, const std::string& description, const Take& take) {
  return app.add_option_function<std::string>(name, take, description);
}

/// An option that sets `number`, which is the default; `least` and `most` are accepted too.
template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& name, T& number, T least, T most,
                        const std::string& description) {
  std::ostringstream text;
  text << number;
  return add_text(app, name, description,
                  [=, &number](const std::string& typed) { number = number_between(name, typed, least, most); })
      ->default_str(text.str());
}

/// The same without a default.
template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& name, std::optional<T>& number, T least, T most,
                        const std::string& description) {
  return add_text(app, name, description,
                  [=, &number](const std::string& typed) { number = number_between(name, typed, least, most); });
}

/// Several numbers, by comma or by repetition.
template <class T>
CLI::Option* add_numbers(CLI::App& app, const std::string& name, std::vector<T>& numbers, T least, T most,
                         const std::string& description) {
  return app
      .add_option_function<std::vector<std::string>>(
          name,
          [=, &numbers](const std::vector<std::string>& typed) {
            numbers.clear();
            for (const std::string& text : typed) numbers.push_back(number_between(name, text, least, most));
          },
          description)
      ->delimiter(',')
      ->allow_extra_args(false);
}

}  // namespace santa::example
