package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

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

// formatRate writes how fast so many bytes went by: "3.2 MiB/s".
func formatRate(bytes int64, took time.Duration) string {
	return bytesize.Format(int64(float64(bytes)/took.Seconds())) + "/s"
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
