package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/internal/bytesize"
	"sysc/internal/download"
	"sysc/modules"
	"sysc/modules/source"
	"sysc/store"
	"sysc/store/cache"
	"sysc/store/localstore"
	"sysc/store/sign"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cache",
		Short:   "Fill caches, which others take results from",
		Example: "  sysc cache push --to /srv/cache --sign-key ci-1.key",
	}
	cmd.AddCommand(a.cachePushCommand())
	return cmd
}

func (a *app) cachePushCommand() *cobra.Command {
	var to string
	var keys []string
	cmd := &cobra.Command{
		Use:   "push [TARGET...]",
		Short: "Put what was built into a cache",
		Long: `Put what was built into a cache: a directory, which any web server can serve. It is
made when it is empty.

A TARGET is what sysc build takes, and has to be built; or an object of the store,
by path or link. With a target go the results of all that it was made of, so that
nobody has to build that to know what comes out. What is there already is not
written again.

Who names the cache and the key in a definition takes from it what need not be
built then:

  sysc {
    caches       = ["https://cache.example.org/sysc"]
    trusted_keys = ["ci-1:…"]
  }`,
		Example: "  sysc store generate-key ci-1\n  sysc build && sysc cache push --to /srv/cache --sign-key ci-1.key",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.cachePush(cmd.Context(), args, to, keys)
		},
	}
	a.projectFlags(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the cache, a `DIRECTORY`")
	cmd.Flags().StringArrayVar(&keys, "sign-key", nil, "vouch for everything with the secret key in `FILE` (may be repeated)")
	return cmd
}

func (a *app) cachePush(ctx context.Context, args []string, to string, keyFiles []string) error {
	if to == "" {
		return errors.New("say where: --to DIRECTORY")
	}
	if len(keyFiles) == 0 {
		return errors.New("nobody uses what nobody vouches for: name a key with --sign-key FILE; sysc store generate-key makes one")
	}
	var keys []sign.SecretKey
	for _, file := range keyFiles {
		key, err := sign.ReadSecretKey(file)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	return a.withExisting(ctx, func(st *localstore.Store) error {
		paths, results, err := a.toPush(ctx, st, args)
		if err != nil {
			return err
		}
		t := newTransfer("Pushing")
		m := a.newMeter(t.step)
		result, err := cache.Push(ctx, st, to, paths, results, keys, t.progress)
		m.end()
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(result)
		}
		a.say("Pushed %s, %s; %d were there already. Results of %s.", plural(result.Objects, "object"), bytesize.Format(result.Bytes), result.Present, plural(result.Results, "derivation"))
		for _, r := range result.Conflicts {
			a.say("Note: the cache has another result for output %q of %s; that one stays.", r.Output, r.Derivation)
		}
		return nil
	})
}

// toPush finds the objects that targets came to, and the results behind them.
func (a *app) toPush(ctx context.Context, st *localstore.Store, args []string) (paths []store.Path, results []store.Realisation, err error) {
	var targets []string
	for _, arg := range args {
		if p, err := objectPath(arg); err == nil {
			paths = append(paths, p)
		} else {
			targets = append(targets, arg)
		}
	}
	if len(paths) > 0 {
		if results, err = st.RealisationsOf(ctx, paths); err != nil {
			return nil, nil, err
		}
	}
	if len(args) == 0 {
		targets = []string{""}
	}
	if len(targets) == 0 {
		return paths, results, nil
	}
	def, err := a.evaluate(ctx, modules.WantTargets, targets...)
	if err != nil {
		return nil, nil, err
	}
	var want []derivations.Ref
	for _, t := range def.Targets {
		want = append(want, t.Ref)
	}
	built, err := build.Realise(ctx, st, def.Graph(), want, &build.Options{DryRun: true})
	if err != nil {
		return nil, nil, err
	}
	valid, err := st.Valid(ctx, slices.Collect(maps.Values(built)))
	if err != nil {
		return nil, nil, err
	}
	for _, t := range def.Targets {
		if !valid[built[t.Ref]] {
			return nil, nil, fmt.Errorf("%s is not built: run sysc build %[1]s", t.Label)
		}
		paths = append(paths, built[t.Ref])
	}
	behind, err := resultsBehind(ctx, st, def.Graph(), want)
	return paths, append(results, behind...), err
}

// resultsBehind returns what the store knows of all derivations behind some outputs.
func resultsBehind(ctx context.Context, st *localstore.Store, g *derivations.Graph, want []derivations.Ref) ([]store.Realisation, error) {
	steps, err := build.Steps(ctx, st, g, want)
	if err != nil {
		return nil, err
	}
	var keys []localstore.RealisationKey
	for _, s := range steps {
		d, _ := g.Derivation(s.Hash)
		if _, fixed := derivations.FixedPath(d); fixed || !s.Resolved {
			continue
		}
		for _, name := range d.OutputNames() {
			keys = append(keys, localstore.RealisationKey{Derivation: s.Key, Output: name})
		}
	}
	known, err := st.Realisations(ctx, keys)
	if err != nil {
		return nil, err
	}
	var results []store.Realisation
	for _, key := range keys {
		if path, ok := known[key]; ok {
			results = append(results, store.Realisation{Derivation: key.Derivation, Output: key.Output, Path: path})
		}
	}
	return results, nil
}

// caches returns what is asked before anything is built, nil for nothing: the copies
// beside the definition, then what that names.
func (a *app) caches(st *localstore.Store, def definition, client *download.Client) (build.Cache, error) {
	var all severalCaches
	if a.hasVendorDir(source.VendorTrees) {
		all = append(all, &vendorCache{app: a, store: st})
	}
	named, err := a.namedCaches(st, def, client)
	if err != nil {
		return nil, err
	}
	if named != nil {
		all = append(all, named)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// namedCaches returns those of the definition, nil for none.
func (a *app) namedCaches(st *localstore.Store, def definition, client *download.Client) (*cache.Caches, error) {
	settings := def.Caches()
	var addresses []string
	for _, address := range settings.Addresses {
		dir, local := strings.CutPrefix(address, "file://")
		switch {
		case !local && a.offline:
			continue
		case local:
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(def.Dir(), dir)
			}
			abs, err := filepath.Abs(dir)
			if err != nil {
				return nil, err
			}
			address = (&url.URL{Scheme: "file", Path: abs}).String()
		}
		addresses = append(addresses, address)
	}
	if len(addresses) == 0 {
		return nil, nil
	}
	var keys []sign.PublicKey
	for _, text := range settings.Keys {
		key, err := sign.ParsePublicKey([]byte(text))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	trusted, err := sign.Trust(keys...)
	if err != nil {
		return nil, err
	}
	return cache.New(st, cache.Options{
		Addresses: addresses, Trusted: trusted, Client: client, Dir: st.DownloadDir(),
		Report: func(text string) { a.say("Note: %s", text) },
	}), nil
}
