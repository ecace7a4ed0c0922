package build

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// historyRuns is of how many runs of a step the durations are remembered. The
	// median of a few is not led astray by the one that ran on a busy machine.
	historyRuns = 5
	// historySteps is how many steps are remembered, those that take longest.
	historySteps = 4096
	// historyLeast is from which duration on a step is worth remembering.
	historyLeast = 100 * time.Millisecond
	// historyMax is how long the file may be that somebody else may have written.
	historyMax = 8 << 20
)

// A history says how long steps took. It is a guess at how long they will take, and
// nothing is wrong when it is lost.
type history struct {
	// Steps has the last runs in milliseconds, oldest first, by stepKey.
	Steps map[string][]int64 `json:"steps"`
}

// stepKey names a step through changes of what it is made from.
func stepKey(builder, name string) string { return builder + " " + name }

// historyPath returns where the history is, below a store's LogDir.
func historyPath(logDir string) string { return filepath.Join(logDir, "durations.json") }

// readHistory reads the file. What cannot be read is an empty history.
func readHistory(logDir string) *history {
	path := historyPath(logDir)
	h := &history{}
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() <= historyMax {
		if text, err := os.ReadFile(path); err != nil || json.Unmarshal(text, h) != nil {
			h = &history{}
		}
	}
	if h.Steps == nil {
		h.Steps = make(map[string][]int64)
	}
	maps.DeleteFunc(h.Steps, func(_ string, runs []int64) bool { return len(runs) == 0 })
	return h
}

// expected returns how long a step will take by its median, 0 when nobody knows.
func (h *history) expected(builder, name string) time.Duration {
	runs := slices.Sorted(slices.Values(h.Steps[stepKey(builder, name)]))
	if len(runs) == 0 {
		return 0
	}
	const longest = 365 * 24 * time.Hour // more is a damaged file
	return min(max(time.Duration(runs[len(runs)/2]), 0), longest/time.Millisecond) * time.Millisecond
}

// add appends a run.
func (h *history) add(builder, name string, took time.Duration) {
	key := stepKey(builder, name)
	if h.Steps[key] == nil && took < historyLeast {
		return
	}
	runs := append(slices.Clone(h.Steps[key]), took.Milliseconds())
	h.Steps[key] = runs[max(0, len(runs)-historyRuns):]
}

// trim forgets the steps that matter least.
func (h *history) trim() {
	if len(h.Steps) <= historySteps {
		return
	}
	last := func(key string) int64 { return h.Steps[key][len(h.Steps[key])-1] }
	keys := slices.SortedFunc(maps.Keys(h.Steps), func(a, b string) int {
		return cmp.Or(cmp.Compare(last(b), last(a)), cmp.Compare(a, b))
	})
	for _, key := range keys[historySteps:] {
		delete(h.Steps, key)
	}
}

// A run is how long one step took.
type run struct {
	builder, name string
	took          time.Duration
}

// addHistory adds runs to the file. Of two processes that do so at once one may win.
func addHistory(logDir string, runs []run) error {
	h := readHistory(logDir)
	var before bytes.Buffer
	encode := func(out *bytes.Buffer) error { return json.NewEncoder(out).Encode(h) }
	if err := encode(&before); err != nil {
		return err
	}
	for _, r := range runs {
		h.add(r.builder, r.name, r.took)
	}
	h.trim()
	var after bytes.Buffer
	if err := encode(&after); err != nil || bytes.Equal(before.Bytes(), after.Bytes()) {
		return err
	}
	return replaceNote(logDir, historyPath(logDir), after.Bytes())
}
