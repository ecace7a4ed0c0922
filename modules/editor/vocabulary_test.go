package editor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sysc/modules/option"
)

// TestGrammar compares the words that the grammar for editors lists with those of
// the language.
func TestGrammar(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "editors", "vscode", "syntaxes", "sysc.tmLanguage.json"))
	if err != nil {
		t.Fatal(err)
	}
	var grammar struct {
		Repository map[string]struct {
			Patterns []struct{ Name, Match string }
		}
	}
	if err := json.Unmarshal(src, &grammar); err != nil {
		t.Fatal(err)
	}
	alternatives := regexp.MustCompile(`\(([a-z|]+)\)`)
	listed := func(scope string) string {
		for _, p := range grammar.Repository["expression"].Patterns {
			if p.Name == scope {
				return "|" + alternatives.FindStringSubmatch(p.Match)[1] + "|"
			}
		}
		t.Fatalf("no pattern for %s", scope)
		return ""
	}
	has := func(scope string, words ...string) {
		for _, w := range words {
			if !strings.Contains(listed(scope), "|"+w+"|") {
				t.Errorf("%s does not list %q", scope, w)
			}
		}
	}
	has("keyword.other.wrapper.sysc", option.Wrappers()...)
	for _, table := range []map[string]string{rootWords, optionWords} {
		for w := range table {
			has("support.type.root.sysc", w)
		}
	}
	for w, doc := range types {
		if !strings.Contains(doc, "(") { // those with arguments are functions to the grammar
			has("support.type.sysc", w)
		}
	}
}

// TestVocabulary checks that every word is explained.
func TestVocabulary(t *testing.T) {
	for typ, w := range vocabulary {
		if w.doc == "" {
			t.Errorf("nothing is said of %s", typ)
		}
		for name, doc := range w.args {
			if doc == "" {
				t.Errorf("nothing is said of %s in %s", name, typ)
			}
		}
		for _, sub := range w.blocks {
			if _, ok := vocabulary[sub]; !ok {
				t.Errorf("%s may stand in %s, and is no word", sub, typ)
			}
		}
	}
}
