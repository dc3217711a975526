// Selectors says what Calico's own parser makes of a selector: one question a line, one answer a line, both JSON.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	"github.com/projectcalico/calico/libcalico-go/lib/selector"
)

type question struct {
	Selector string              `json:"selector"`
	Labels   []map[string]string `json:"labels"`
}

type answer struct {
	OK        bool   `json:"ok"`
	Error     string `json:"error"`
	Canonical string `json:"canonical"`
	Matches   []bool `json:"matches"`
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

// reply evaluates one selector against each of the label sets, in their order.
func reply(asked question) answer {
	parsed, err := selector.Parse(asked.Selector)
	if err != nil {
		return answer{Error: err.Error(), Matches: []bool{}}
	}
	matches := make([]bool, len(asked.Labels))
	for number, labels := range asked.Labels {
		matches[number] = parsed.Evaluate(labels)
	}
	return answer{OK: true, Canonical: parsed.String(), Matches: matches}
}
