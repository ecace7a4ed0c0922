package localstore

import (
	"io"
	"sync/atomic"
	"time"
)

// A Progress tells how far a store is with what may take long: what [Open] looks
// at after a power cut, AddDir, Register, Checkout, Verify, Repair, Optimise, GC,
// Rebuild. It is handed in with [Options] and may be asked at any time. The zero
// value is ready. It is safe for concurrent use; of several calls under way it
// tells of the one that began a step last.
type Progress struct {
	current atomic.Pointer[work]
}

// A Step is a part of a call, and how much of it is done.
type Step struct {
	// Name says what is being done, for people: "Adding". Empty before the first
	// step.
	Name string
	// Began is when the step began. It stays the current one until another begins.
	Began time.Time
	// Files and Bytes are done: bytes were read or, by GC, freed. What a step does
	// not count is 0.
	Files, Bytes int64
	// Size is how many bytes there will be, 0 if that is not known.
	Size int64
	// Part is how much of the step is done, from 0 to 1. It stays 0 if how much
	// there is to do is not known.
	Part float64
}

// Now returns the current step.
func (p *Progress) Now() Step {
	w := p.current.Load()
	if w == nil {
		return Step{}
	}
	s := Step{Name: w.name, Began: w.began, Files: w.files.Load(), Bytes: w.bytes.Load(), Size: w.size}
	switch {
	case w.size > 0:
		s.Part = float64(s.Bytes) / float64(w.size)
	case w.total > 0:
		s.Part = float64(w.done.Load()) / float64(w.total)
	}
	s.Part = min(s.Part, 1) // a file may grow while it is read
	return s
}

// work counts one step, whoever looks. Several goroutines add to it; name, size
// and total do not change.
type work struct {
	name  string
	size  int64 // bytes that there will be, 0: not known
	total int64 // what done comes to, in whatever the step counts, 0: not known

	began              time.Time
	files, bytes, done atomic.Int64
}

// begin makes w the current step, of p if that is not nil.
func (p *Progress) begin(w *work) *work {
	w.began = time.Now()
	if p != nil {
		p.current.Store(w)
	}
	return w
}

// reader counts the bytes that are read from r.
func (w *work) reader(r io.Reader) io.Reader { return &workReader{w, r} }

type workReader struct {
	work *work
	r    io.Reader
}

func (r *workReader) Read(buf []byte) (int, error) {
	n, err := r.r.Read(buf)
	r.work.bytes.Add(int64(n))
	return n, err
}
