package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sysc/internal/download"
	"sysc/internal/par"
	"sysc/store"
	"sysc/store/export"
	"sysc/store/sign"
)

const (
	// lookUps is how many small files are asked for at once.
	lookUps = 16
	// silence is how long a cache may say nothing.
	silence = 10 * time.Second
	// maxReports is how much is said about one cache.
	maxReports = 4
)

// A Store is what caches fill; localstore.Store has it.
type Store interface {
	export.Destination
	Lock(ctx context.Context, key string, wait func(holder string)) (unlock func() error, err error)
}

// Caches ask several caches, in order, for a store. Their methods are safe for
// concurrent use.
type Caches struct {
	store   Store
	trusted sign.TrustedKeys
	dir     string
	caches  []*cache
	report  func(string)
}

// Options say how caches are asked. All fields are needed.
type Options struct {
	// Addresses begin with https://, http:// or file://, best first.
	Addresses []string
	// Trusted are the keys whose word counts.
	Trusted sign.TrustedKeys
	// Client fetches.
	Client *download.Client
	// Dir is a private directory where interrupted downloads stay for the next run.
	Dir string
	// Report is told what is wrong with a cache, by one goroutine at a time.
	Report func(string)
}

// New returns caches that fill a store. Nothing is asked of them yet.
func New(st Store, o Options) *Caches {
	client := *o.Client
	client.Silence = silence
	var mu sync.Mutex
	c := &Caches{store: st, trusted: o.Trusted, dir: o.Dir, report: func(text string) {
		mu.Lock()
		defer mu.Unlock()
		o.Report(text)
	}}
	for _, address := range o.Addresses {
		c.caches = append(c.caches, &cache{of: c, address: address, client: &client})
	}
	return c
}

// Learn asks for the results of derivations of which the store knows none, and
// records those that somebody trusted vouches for. What no cache has is not there
// afterwards; that is no error.
func (c *Caches) Learn(ctx context.Context, derivations []store.DerivationHash) error {
	found := make([][]Result, len(derivations))
	err := par.Do(ctx, len(derivations), lookUps, func(ctx context.Context, i int) error {
		for _, one := range c.caches {
			if found[i] = one.results(ctx, derivations[i]); found[i] != nil {
				break
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	var all []store.Realisation
	signatures := map[store.Realisation][]sign.Signature{}
	for _, results := range found {
		for _, r := range results {
			all = append(all, r.Realisation)
			signatures[r.Realisation], _ = c.trusted.Divide(sign.Realisation(r.Realisation), r.Signatures)
		}
	}
	if len(all) == 0 {
		return nil
	}
	if err := c.store.Register(ctx, nil, all); err != nil {
		return err
	}
	return c.store.AddSignatures(ctx, nil, signatures)
}

// Fetch makes an object valid, with all that it refers to. progress, which may be
// nil, is told how many bytes are done of how many. When no cache has what a trusted
// key vouches for, that is store.ErrNotExist, wrapped.
func (c *Caches) Fetch(ctx context.Context, p store.Path, progress func(done, total int64)) error {
	for _, one := range c.caches {
		err := one.fetch(ctx, p, progress)
		if err == nil || ctx.Err() != nil {
			return err
		}
		var wrong *download.HashError
		switch {
		case errors.Is(err, store.ErrNotExist):
		case download.IsTransient(err), errors.As(err, &wrong):
			one.giveUp(err)
		default:
			one.wrong(err)
		}
	}
	return fmt.Errorf("fetch %s from a cache: %w", p, store.ErrNotExist)
}

// A cache is one of them.
type cache struct {
	of      *Caches
	address string
	client  *download.Client

	open sync.Once
	mu   sync.Mutex
	gone bool            // it is not asked any more
	told map[string]bool // what was reported
}

// read returns a file of the cache, nil for one that it does not have, or when it is
// not asked any more.
func (c *cache) read(ctx context.Context, file string) []byte {
	c.open.Do(func() {
		if data, err := c.get(ctx, markerFile); err != nil {
			c.giveUp(err)
		} else if strings.TrimSpace(string(data)) != cacheMagic {
			c.giveUp(fmt.Errorf("there is no cache: its file %q is missing, or of another format", markerFile))
		}
	})
	if c.isGone() {
		return nil
	}
	data, err := c.get(ctx, file)
	if err != nil && ctx.Err() == nil {
		c.giveUp(err)
	}
	return data
}

// get is read without the rest.
func (c *cache) get(ctx context.Context, file string) ([]byte, error) {
	data, err := c.client.Read(ctx, addressOf(c.address, file), maxText)
	var status *download.StatusError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &status) && slices.Contains([]int{http.StatusNotFound, http.StatusForbidden, http.StatusGone}, status.Code) {
		return nil, nil
	}
	return data, err
}

func (c *cache) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// giveUp ends asking a cache that does not answer.
func (c *cache) giveUp(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone {
		c.gone = true
		c.of.report(fmt.Sprintf("the cache %s is not asked any more: %v", c.address, cause))
	}
}

// wrong reports something in a cache that is not used.
func (c *cache) wrong(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text := cause.Error(); !c.told[text] && len(c.told) < maxReports {
		if c.told == nil {
			c.told = map[string]bool{}
		}
		c.told[text] = true
		c.of.report(fmt.Sprintf("the cache %s: %s", c.address, text))
	}
}

// results returns what a derivation came to, if somebody trusted vouches for all of it.
func (c *cache) results(ctx context.Context, d store.DerivationHash) []Result {
	data := c.read(ctx, resultsFile(d))
	if data == nil {
		return nil
	}
	results, err := decodeResults(data, d)
	if err != nil {
		c.wrong(fmt.Errorf("%s: %w", resultsFile(d), err))
		return nil
	}
	for _, r := range results {
		if len(c.of.trusted.Verify(sign.Realisation(r.Realisation), r.Signatures)) == 0 {
			c.wrong(untrusted("results", keyNames(r.Signatures), c.of.trusted))
			return nil
		}
	}
	return results
}

func keyNames(sigs []sign.Signature) []string {
	var names []string
	for _, s := range sigs {
		names = append(names, s.Key)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// untrusted says why something of a cache is not used, without naming it: the same
// is often true of much.
func untrusted(what string, keys []string, trusted sign.TrustedKeys) error {
	if len(keys) == 0 {
		return fmt.Errorf("what it has is not used: %s are not signed", what)
	}
	i := slices.IndexFunc(keys, trusted.Has)
	if i >= 0 {
		return fmt.Errorf("what it has is not used: signatures of %s in the name of %q are wrong", what, keys[i])
	}
	return fmt.Errorf("what it has is not used: %s are signed by %q, which is not among the trusted keys", what, strings.Join(keys, `", "`))
}
