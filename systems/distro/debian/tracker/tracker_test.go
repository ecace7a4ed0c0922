package tracker

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	const data = `{"a": {
		"CVE-1-1": {"releases": {"trixie": {"status": "resolved", "fixed_version": "2", "urgency": "high**"}}},
		"CVE-1-2": {"releases": {"trixie": {"status": "resolved", "fixed_version": "1", "urgency": "low"}}},
		"CVE-1-3": {"releases": {"sid": {"status": "open", "urgency": "low"}}},
		"CVE-1-4": {"releases": {"trixie": {"status": "resolved", "fixed_version": "0", "urgency": "low"}}},
		"CVE-1-5": {"description": "d", "releases": {"trixie": {"status": "open", "urgency": "end-of-life", "nodsa": "Minor", "nodsa_reason": "ignored"}}}
	}, "b": {"CVE-2-1": {"releases": {"trixie": {"status": "open", "urgency": "low"}}}}}`
	got, err := Read(strings.NewReader(data), "trixie", map[string][]string{"a": {"1"}, "c": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Vulnerability{
		{ID: "CVE-1-1", Source: "a", Status: Resolved, FixedVersion: "2", Urgency: "high"},
		{ID: "CVE-1-5", Source: "a", Status: Open, Urgency: "end-of-life", NoAdvisory: "ignored", Description: "d"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// One of two versions that are there is enough.
	got, err = Read(strings.NewReader(data), "trixie", map[string][]string{"a": {"3", "1"}})
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":          "no JSON object",
		"[]":        "no JSON object",
		`{"a": []}`: `"a": json`,
		`{"a": {}`:  "EOF",
		`{"a": {}}`: `nothing of release "trixie"`,
		`{"a": {"C": {"releases": {"trixie": {"status": "odd"}}}}}`:                              `status "odd" is not known`,
		`{"a": {"C": {"releases": {"trixie": {"status": "resolved", "fixed_version": "a b"}}}}}`: `C in "a"`,
	} {
		if _, err := Read(strings.NewReader(text), "trixie", map[string][]string{"a": {"1"}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want error with %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"a": {"CVE-1-1": {"releases": {"trixie": {"status": "resolved", "fixed_version": "2", "urgency": "high"}}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		found, err := Read(strings.NewReader(text), "trixie", map[string][]string{"a": {"1"}})
		for _, v := range found {
			if err != nil || v.Source != "a" || v.Status == Resolved && v.FixedVersion == "" {
				t.Errorf("%+v, %v", v, err)
			}
		}
	})
}
