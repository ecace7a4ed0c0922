package main

import (
	"slices"
	"testing"
	"time"
)

func TestFormatEstimate(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Millisecond:           "1s",
		1600 * time.Millisecond:    "2s",
		20 * time.Second:           "20s",
		22 * time.Second:           "20s",
		23 * time.Second:           "25s",
		89 * time.Second:           "90s",
		90 * time.Second:           "2 min",
		20 * time.Minute:           "20 min",
		63 * time.Minute:           "65 min",
		90 * time.Minute:           "2 h",
		23 * time.Hour:             "25 h",
		19*time.Hour + time.Minute: "19 h",
	} {
		if got := formatEstimate(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"1234567890", 10, []string{"1234567890"}},
		{"12345678901", 10, []string{"1234567890", "1"}},
		{"äöüß", 2, []string{"äö", "üß"}},
		{"a\tb", 20, []string{"a       b"}},
		{"a\tb", 4, []string{"a   ", "    ", "b"}},
		{"ab", -3, []string{"a", "b"}},
	} {
		if got := fold(c.line, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d columns: got %q, want %q", c.line, c.width, got, c.want)
		}
	}
}
