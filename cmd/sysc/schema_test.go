package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const schemaDir = "../../docs/schemas"

// checkSchema compares the last command's standard output with a schema of
// docs/schemas: each value, if there are several.
//
//	schema NAME
func checkSchema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: schema NAME")
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(schemaDir, args[0]+".json"))
	ts.Check(err)
	text := ts.ReadFile("stdout")
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	for n := 0; ; n++ {
		var value any
		err := decoder.Decode(&value)
		if err == io.EOF && n > 0 {
			return
		}
		if err != nil {
			ts.Fatalf("stdout is no JSON: %v\n%s", err, text)
		}
		if err := schema.Validate(value); err != nil {
			ts.Fatalf("stdout does not fit the schema: %v\n%s", err, text)
		}
	}
}

// TestSchemas: each schema is compared with real output by some script.
func TestSchemas(t *testing.T) {
	scripts, err := filepath.Glob("../../testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	schemas, err := filepath.Glob(schemaDir + "/*.json")
	if err != nil || len(schemas) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	for _, name := range schemas {
		use := "\nschema " + strings.TrimSuffix(filepath.Base(name), ".json") + "\n"
		if !strings.Contains(all.String(), use) {
			t.Errorf("no script has%s", use)
		}
	}
}
