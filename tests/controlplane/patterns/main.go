// Patterns says what Go makes of a regular expression: one question a line, one answer a line, both JSON.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"regexp"
)

type question struct {
	Pattern string   `json:"pattern"`
	Values  []string `json:"values"`
}

type answer struct {
	Error   string `json:"error"`
	Matches []bool `json:"matches"`
}

func main() {
	questions, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var asked question
		if err := questions.Decode(&asked); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		if err := answers.Encode(reply(asked)); err != nil {
			log.Fatal(err)
		}
	}
}

// reply matches one pattern with each of the values, in their order, as CEL's `matches` does (cel-go, common/types/string.go).
func reply(asked question) answer {
	pattern, err := regexp.Compile(asked.Pattern)
	if err != nil {
		return answer{Error: err.Error(), Matches: []bool{}}
	}
	matches := make([]bool, len(asked.Values))
	for number, value := range asked.Values {
		matches[number] = pattern.MatchString(value)
	}
	return answer{Matches: matches}
}
