package localstore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sysc/store"
)

// benchFiles is a tenth of a Debian workstation.
const benchFiles = 4000

// benchDir makes files as a distribution has them: many small, few large.
func benchDir(b *testing.B, seed uint64) string {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "in")
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range benchFiles {
		sub := fmt.Sprintf("%s/%d/%d", dir, i%20, i%200)
		if i < 200 {
			must(b, os.MkdirAll(sub, 0o755))
		}
		data := make([]byte, int(2000*random.ExpFloat64()*random.ExpFloat64()*3))
		for j := range data {
			data[j] = byte(random.Uint32() >> 3)
		}
		mode := os.FileMode(0o644)
		if i%10 == 0 {
			mode = 0o755
		}
		must(b, os.WriteFile(fmt.Sprintf("%s/file%d", sub, i), data, mode))
	}
	return dir
}

// A cpuMeter adds up the processor time of what is measured: on a machine that
// others use too, wall time says little.
type cpuMeter struct{ total time.Duration }

func (m *cpuMeter) measure(fn func() error) error {
	before := cpuTime()
	err := fn()
	m.total += cpuTime() - before
	return err
}

func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (m *cpuMeter) report(b *testing.B) {
	perFile := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(b.N*benchFiles) }
	b.ReportMetric(perFile(b.Elapsed()), "µs/file")
	b.ReportMetric(perFile(m.total), "cpu-µs/file")
}

func BenchmarkAddNew(b *testing.B) {
	ctx := b.Context()
	dir := benchDir(b, 1)
	var m cpuMeter
	for b.Loop() {
		b.StopTimer()
		s := newStore(b)
		b.StartTimer()
		must(b, m.measure(func() error {
			_, err := s.AddDir(ctx, dir, &AddOptions{Name: "x", Kind: store.KindRoot})
			return err
		}))
	}
	m.report(b)
}

func BenchmarkAddAgain(b *testing.B) {
	ctx := b.Context()
	dir := benchDir(b, 1)
	s := newStore(b)
	var m cpuMeter
	for b.Loop() {
		must(b, m.measure(func() error {
			_, err := s.AddDir(ctx, dir, &AddOptions{Name: "x"})
			return err
		}))
	}
	m.report(b)
}

func BenchmarkScan(b *testing.B) {
	var candidates []store.Path
	for _, c := range "0123456789abcdfghijklmnpqrsvwxyz" {
		candidates = append(candidates, fakePath(b, byte(c)))
	}
	scan := newScanner(candidates, "")
	binary := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range binary {
		binary[i] = byte(random.Uint32())
	}
	text := bytes.Repeat([]byte("usr share doc changelog gz 0f3a9c "), 1<<20/34)
	for name, data := range map[string][]byte{"binary": binary, "text": text} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				scan.scan(data, func(int, int) {})
			}
		})
	}
}

func benchCheckout(b *testing.B, opts store.CheckoutOptions) {
	ctx := b.Context()
	s := newStore(b)
	o, err := s.AddDir(ctx, benchDir(b, 1), &AddOptions{Name: "x", Kind: store.KindRoot})
	must(b, err)
	_, err = s.CheckoutDir(ctx, o.Tree) // executable inodes
	must(b, err)
	dst := filepath.Join(b.TempDir(), "out")
	var m cpuMeter
	for b.Loop() {
		must(b, m.measure(func() error { return s.Checkout(ctx, o.Tree, dst, opts) }))
		b.StopTimer()
		must(b, removeTree(ctx, filepath.Dir(dst), "out", s.jobs))
		b.StartTimer()
	}
	m.report(b)
}

func BenchmarkCheckoutLink(b *testing.B) { benchCheckout(b, store.CheckoutOptions{Link: true}) }

func BenchmarkCheckoutCopy(b *testing.B) {
	benchCheckout(b, store.CheckoutOptions{OwnerXattr: "user.sysc.owner"})
}

func BenchmarkRemove(b *testing.B) {
	s := newStore(b)
	o, err := s.AddDir(b.Context(), benchDir(b, 1), &AddOptions{Name: "x", Kind: store.KindRoot})
	must(b, err)
	dst := filepath.Join(b.TempDir(), "out")
	var m cpuMeter
	for b.Loop() {
		b.StopTimer()
		must(b, s.Checkout(b.Context(), o.Tree, dst, store.CheckoutOptions{}))
		b.StartTimer()
		must(b, m.measure(func() error { return removeTree(context.Background(), filepath.Dir(dst), "out", s.jobs) }))
	}
	m.report(b)
}

func BenchmarkOpen(b *testing.B) {
	s := newStore(b)
	for b.Loop() {
		other, err := Open(b.Context(), s.Dir(), nil)
		must(b, err)
		must(b, other.Close())
	}
}

// BenchmarkRegister is what a trivial build costs the store.
func BenchmarkRegister(b *testing.B) {
	s := newStore(b)
	dir := write(b, "f=0")
	i := 0
	for b.Loop() {
		i++
		must(b, os.WriteFile(dir+"/f", fmt.Append(nil, i), 0o644))
		o, err := s.AddDir(b.Context(), dir, &AddOptions{Name: "x"})
		must(b, err)
		must(b, s.Register(b.Context(), []store.Object{o}, []store.Realisation{{Output: "out", Path: o.Path}}))
	}
}

// BenchmarkClosure asks for a chain of 1,000 objects.
func BenchmarkClosure(b *testing.B) {
	ctx := b.Context()
	s := newStore(b)
	root, err := s.AddDir(ctx, write(b, "f=1"), &AddOptions{Name: "x"})
	must(b, err)
	var objects []store.Object
	var refs []store.Path
	for i := range 1000 {
		o, err := s.MakeObject(ctx, fmt.Sprintf("x%d", i), store.KindRoot, root.Tree, refs)
		must(b, err)
		objects = append(objects, o)
		refs = append(refs[:len(refs):len(refs)], o.Path)
		refs = refs[max(0, len(refs)-10):]
	}
	must(b, s.Register(ctx, objects, nil))
	for b.Loop() {
		closure, err := s.Closure(ctx, refs)
		if err != nil || len(closure) != len(objects) {
			b.Fatal(len(closure), err)
		}
	}
}
