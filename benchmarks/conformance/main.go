// Conformance prints the tests of the CEL specification, one JSON object a line.
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"

	testpb "cel.dev/expr/conformance/test"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"

	_ "cel.dev/expr/conformance/proto2"
	_ "cel.dev/expr/conformance/proto3"
)

type line struct {
	File string          `json:"file"`
	Test json.RawMessage `json:"test"`
}

func main() {
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*.textproto"))
	if err != nil {
		log.Fatal(err)
	}
	out := json.NewEncoder(os.Stdout)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			log.Fatal(err)
		}
		file := &testpb.SimpleTestFile{}
		if err := prototext.Unmarshal(text, file); err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		for _, section := range file.GetSection() {
			for _, test := range section.GetTest() {
				encoded, err := protojson.Marshal(test)
				if err != nil {
					log.Fatalf("%s: %s: %v", name, test.GetName(), err)
				}
				if err := out.Encode(line{filepath.Base(name), encoded}); err != nil {
					log.Fatal(err)
				}
			}
		}
	}
}
