package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sysc/internal/atomicfile"
	"sysc/internal/bytesize"
	"sysc/store"
	"sysc/store/export"
	"sysc/store/localstore"
	"sysc/store/sign"
)

func (a *app) storeExportCommand() *cobra.Command {
	var output, have string
	var keys []string
	cmd := a.storeVerb(&cobra.Command{
		Use:   "export OBJECT...",
		Short: "Write objects with all that they refer to as one stream",
		Long: `Write objects with all that they refer to as one stream, for sysc store import.

It goes to standard output, or with --output to a file that appears when it is
complete. What --have lists (a path a line, as sysc store closure prints them) is
left out: the receiver has it already.`,
		Example: "  sysc store export ./result --sign-key ci.key --output result.sysc\n  sysc store export ./result | ssh laptop sysc store import --trusted-key ci.pub",
		Args:    usageArgs(cobra.MinimumNArgs(1)),
	}, func(ctx context.Context, st *localstore.Store, args []string) error {
		paths, err := objectPaths(args)
		if err != nil {
			return err
		}
		opts := export.ExportOptions{Realisations: true}
		if opts.Have, err = readPaths(have); err != nil {
			return err
		}
		for _, file := range keys {
			key, err := sign.ReadSecretKey(file)
			if err != nil {
				return err
			}
			opts.Sign = append(opts.Sign, key)
		}
		return a.storeExport(ctx, st, paths, output, opts)
	})
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`")
	cmd.Flags().StringVar(&have, "have", "", "leave out the objects that `FILE` lists, with what they refer to")
	cmd.Flags().StringArrayVar(&keys, "sign-key", nil, "vouch for everything with the secret key in `FILE` (may be repeated)")
	return cmd
}

// readPaths reads a list of objects, one a line; no file is no list.
func readPaths(file string) ([]store.Path, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var paths []store.Path
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		p, err := objectPath(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		paths = append(paths, p)
	}
	return paths, lines.Err()
}

func (a *app) storeExport(ctx context.Context, st *localstore.Store, paths []store.Path, output string, opts export.ExportOptions) error {
	t := newTransfer("Exporting")
	opts.Progress = t.progress
	m := a.newMeter(t.step)
	defer m.end()
	var exported export.ExportResult
	write := func(w io.Writer) error {
		result, err := export.Export(ctx, w, st, paths, opts)
		if err == nil {
			m.end()
			a.say("Exported %s, %s.", plural(result.Objects, "object"), bytesize.Format(result.Bytes))
		}
		exported = result
		return err
	}
	if output != "" {
		const shared = 0o644
		if err := atomicfile.Write(output, shared, func(f *os.File) error { return write(f) }); err != nil || !a.json {
			return err
		}
		return a.printJSON(exported)
	}
	if a.json {
		return errors.New("standard output is for the stream: --json goes with --output")
	}
	if isTerminal(a.out) {
		return errors.New("a stream is not for a terminal: redirect standard output, or name a file with --output")
	}
	return write(a.out)
}

func (a *app) storeImportCommand() *cobra.Command {
	var keys []string
	var unsigned bool
	cmd := a.storeFillVerb(&cobra.Command{
		Use:   "import [FILE]",
		Short: "Take what sysc store export wrote, from a file or standard input",
		Long: `Take what sysc store export wrote, from a file or standard input, and print the
objects' paths.

Each object that the store does not have needs the word of a trusted key. When
the stream breaks off, what has arrived stays: import it again to go on. Objects
without a root go with the next sysc gc.`,
		Example: "  sysc store import result.sysc --trusted-key ci.pub",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
	}, func(ctx context.Context, st *localstore.Store, args []string) error {
		opts := export.ImportOptions{AllowUnsigned: unsigned}
		var err error
		if opts.Trusted, err = readTrusted(keys); err != nil {
			return err
		}
		if opts.Trusted.Len() == 0 && !unsigned {
			return errors.New("whom to trust? Name public keys with --trusted-key, or say --allow-unsigned to trust the stream as it is")
		}
		in := os.Stdin
		if len(args) > 0 {
			if in, err = os.Open(args[0]); err != nil {
				return err
			}
			defer in.Close()
		}
		return a.storeImport(ctx, st, in, opts)
	})
	cmd.Flags().StringArrayVar(&keys, "trusted-key", nil, "trust the public key in `FILE` (may be repeated)")
	cmd.Flags().BoolVar(&unsigned, "allow-unsigned", false, "take everything, whoever vouches for it")
	return cmd
}

func readTrusted(files []string) (sign.TrustedKeys, error) {
	var keys []sign.PublicKey
	for _, file := range files {
		key, err := sign.ReadPublicKey(file)
		if err != nil {
			return sign.TrustedKeys{}, err
		}
		keys = append(keys, key)
	}
	return sign.Trust(keys...)
}

func (a *app) storeImport(ctx context.Context, st *localstore.Store, r io.Reader, opts export.ImportOptions) error {
	t := newTransfer("Importing")
	opts.Progress = t.progress
	m := a.newMeter(t.step)
	result, err := export.Import(ctx, r, st, opts)
	m.end()
	var untrusted *export.UntrustedError
	if errors.As(err, &untrusted) {
		return &exitCode{code: exitVerification, cause: err}
	}
	if err != nil {
		return err
	}
	return a.printImport(result)
}

func (a *app) printImport(result export.ImportResult) error {
	if a.json {
		return a.printJSON(struct {
			Objects      []store.Path `json:"objects"`
			Present      int          `json:"present"`
			Realisations int          `json:"realisations"`
			Conflicts    int          `json:"conflicts"`
		}{list(result.Objects), result.Present, result.Realisations, len(result.Conflicts)})
	}
	for _, p := range result.Objects {
		fmt.Fprintln(a.out, p)
	}
	a.say("Imported %s; %d were there already.", plural(len(result.Objects)-result.Present, "object"), result.Present)
	for _, r := range result.Conflicts {
		a.say("Note: this store has another result for output %q of %s; that one stays.", r.Output, r.Derivation)
	}
	return nil
}

func (a *app) storeCopyCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "copy OBJECT...",
		Short: "Copy objects with all that they refer to between two stores of this machine",
		Long: `Copy objects with all that they refer to, from another store into this one or the
other way round. Both are trusted. What the receiving one has already is not
copied again.`,
		Example: "  sysc store copy ./result --to /mnt/backup/sysc",
		Args:    usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (from == "") == (to == "") {
				return errors.New("say either --from DIR or --to DIR")
			}
			paths, err := objectPaths(args)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if from != "" {
				return withOther(ctx, from, a.existingOptions(), func(other *localstore.Store) error {
					return a.withStore(ctx, func(st *localstore.Store) error { return a.storeCopy(ctx, other, st, paths) })
				})
			}
			return a.withExisting(ctx, func(st *localstore.Store) error {
				return withOther(ctx, to, a.storeOptions(), func(other *localstore.Store) error { return a.storeCopy(ctx, st, other, paths) })
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "copy from the store in `DIR` into this one")
	cmd.Flags().StringVar(&to, "to", "", "copy from this store into the one in `DIR`")
	return cmd
}

// withOther opens another store than that of the flags.
func withOther(ctx context.Context, dir string, opts *localstore.Options, use func(*localstore.Store) error) error {
	st, err := localstore.Open(ctx, dir, opts)
	if err != nil {
		return err
	}
	return errors.Join(use(st), st.Close())
}

// storeCopy is an export and an import at once.
func (a *app) storeCopy(ctx context.Context, src, dst *localstore.Store, paths []store.Path) error {
	closure, err := src.Closure(ctx, paths)
	if err != nil {
		return err
	}
	valid, err := dst.Valid(ctx, closure)
	if err != nil {
		return err
	}
	opts := export.ExportOptions{Realisations: true}
	for _, p := range closure {
		if valid[p] {
			opts.Have = append(opts.Have, p)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		_, err := export.Export(ctx, w, src, paths, opts)
		sent <- err
		w.CloseWithError(err)
	}()
	err = a.storeImport(ctx, dst, r, export.ImportOptions{AllowUnsigned: true})
	r.CloseWithError(err) // lets the other side end
	if failed := <-sent; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		return failed // the cause, when the stream broke off
	}
	return err
}

func (a *app) storeKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "generate-key NAME",
		Short: "Make a key pair for signing: NAME.key, to be kept secret, and NAME.pub",
		Long: `Make a key pair for signing, in the present directory: NAME.key, which nobody
else may see, and NAME.pub, which receivers name with --trusted-key. Files that
are there are not replaced.`,
		Example: "  sysc store generate-key ci-1",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := sign.Generate(args[0])
			if err != nil {
				return err
			}
			for _, file := range []struct {
				suffix string
				text   []byte
				mode   os.FileMode
			}{{".key", key.Encode(), 0o600}, {".pub", key.Public().Encode(), 0o644}} {
				if err := writeNew(filepath.Join(a.dir, args[0]+file.suffix), file.text, file.mode); err != nil {
					return err
				}
			}
			if a.json {
				return a.printJSON(struct {
					Name   string `json:"name"`
					Public string `json:"public"`
				}{args[0], key.Public().String()})
			}
			fmt.Fprintln(a.out, key.Public())
			return nil
		},
	}
}

// writeNew writes a file that must not be there.
func writeNew(path string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
