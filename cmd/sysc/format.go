package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sysc/internal/bytesize"
)

// formatDuration writes how long something took: "0.3s", "12s", "3m05s".
func formatDuration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

const (
	// settled is how long something must have gone on to be extrapolated.
	settled = time.Second
	// longestGuess is how much time left is still a guess.
	longestGuess = 24 * time.Hour
)

// formatRate writes how fast so many bytes went by: "3.2 MiB/s", or "" when it is
// too early to say.
func formatRate(bytes int64, took time.Duration) string {
	if bytes <= 0 || took < settled {
		return ""
	}
	return bytesize.Format(int64(float64(bytes)/took.Seconds())) + "/s"
}

// formatEstimate writes a duration that is a guess: "7s", "40s", "3 min", "2 h".
func formatEstimate(d time.Duration) string {
	const exact, step = 20, 5 // more is rounded to fives
	unit, name := time.Second, "s"
	switch {
	case d >= 90*time.Minute:
		unit, name = time.Hour, " h"
	case d >= 90*time.Second:
		unit, name = time.Minute, " min"
	}
	n := math.Round(float64(d) / float64(unit))
	if n > exact {
		n = math.Round(n/step) * step
	}
	return fmt.Sprintf("%.0f%s", max(n, 1), name)
}

// A fact is a part of a line.
type fact struct {
	text   string // "" for none
	weight int    // the lightest is left out first
}

// joinFacts makes a line of at most width columns, of as many facts as it can have.
func joinFacts(width int, facts ...fact) string {
	facts = slices.DeleteFunc(slices.Clone(facts), func(f fact) bool { return f.text == "" })
	for {
		texts := make([]string, len(facts))
		for i, f := range facts {
			texts[i] = f.text
		}
		line := strings.Join(texts, ", ")
		if line == "" || utf8.RuneCountInString(line) <= width {
			return line
		}
		lightest := slices.MinFunc(facts, func(a, b fact) int { return cmp.Compare(a.weight, b.weight) })
		facts = slices.DeleteFunc(facts, func(f fact) bool { return f == lightest })
	}
}

// shorten cuts a text to so many columns, and shows that it did.
func shorten(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}

// fold breaks a line into parts of at most width columns. A tab goes to the next
// multiple of eight.
func fold(line string, width int) []string {
	const tab = 8
	var parts []string
	var part []rune
	for _, r := range line {
		n := 1
		if r == '\t' {
			r, n = ' ', tab-len(part)%tab
		}
		for range n {
			if len(part) >= max(width, 1) {
				parts, part = append(parts, string(part)), nil
			}
			part = append(part, r)
		}
	}
	return append(parts, string(part))
}

// list returns items, never nil: JSON has no list that is null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// plural writes a count with its noun: "1 package", "2 packages".
func plural(n int, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// parseAge reads a duration, also in days: "36h", "30d".
func parseAge(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err == nil && n > 0 && n <= int64(math.MaxInt64/day) {
			return time.Duration(n) * day, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no age: want hours or days, such as 36h or 30d", text)
}
