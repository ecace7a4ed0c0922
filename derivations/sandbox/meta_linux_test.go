package sandbox

import (
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/internal/posixacl"
	"sysc/store/tree"
)

func TestMeta(t *testing.T) {
	v2 := "\x01\x00\x00\x02" + strings.Repeat("a", 16)
	v3 := "\x01\x00\x00\x03" + strings.Repeat("a", 16) + "\xe9\x03\x00\x00"
	type result struct {
		keep           bool
		mode, uid, gid uint32
		xattrs         []tree.Xattr
	}
	owner := func(s string) []tree.Xattr { return []tree.Xattr{{Name: OwnerXattr, Value: s}} }
	tests := []struct {
		name   string
		mode   uint32
		xattrs []tree.Xattr
		want   result
	}{
		{"plain file", unix.S_IFREG | 0o644, nil, result{true, 0o644, 0, 0, nil}},
		{"set-id file", unix.S_IFREG | 0o6755, owner("0:42"), result{true, 0o6755, 0, 42, nil}},
		{"sticky directory", unix.S_IFDIR | 0o1777, owner("33:0"), result{true, 0o1777, 33, 0, nil}},
		{"link", unix.S_IFLNK | 0o777, nil, result{true, 0o777, 0, 0, nil}},
		{"largest owner", unix.S_IFREG, owner("4294967295:4294967295"), result{true, 0, 4294967295, 4294967295, nil}},
		{"bad owner", unix.S_IFREG, owner("1"), result{true, 0, 0, 0, nil}},
		{"too large an owner", unix.S_IFREG, owner("4294967296:1"), result{true, 0, 0, 0, nil}},
		{"fifo", unix.S_IFIFO | 0o644, nil, result{}},
		{"socket", unix.S_IFSOCK | 0o644, nil, result{}},
		{"device", unix.S_IFCHR | 0o644, nil, result{}},
		{"attributes", unix.S_IFREG | 0o755, []tree.Xattr{
			{Name: "security.capability", Value: v3}, {Name: "security.selinux", Value: "host"},
			{Name: "system.posix_acl_access", Value: "x"}, {Name: "trusted.overlay.opaque", Value: "y"},
			{Name: "user.mine", Value: "z"}, {Name: OwnerXattr, Value: "7:8"},
		}, result{true, 0o755, 7, 8, []tree.Xattr{{Name: "security.capability", Value: v2}, {Name: "user.mine", Value: "z"}}}},
		{"access control lists", unix.S_IFDIR | 0o710, []tree.Xattr{{Name: accessXattr, Value: aclOf("4")}, {Name: defaultXattr, Value: aclOf("5")}, {Name: "user.mine", Value: "z"}},
			result{true, 0o710, 0, 0, []tree.Xattr{
				{Name: posixacl.Access, Value: strings.NewReplacer("\x01\x00\x06", "\x01\x00\x07", "\x10\x00\x05", "\x10\x00\x01").Replace(aclOf("4"))},
				{Name: posixacl.Default, Value: aclOf("5")}, {Name: "user.mine", Value: "z"},
			}}},
		{"lists of the builder's own making", unix.S_IFREG | 0o644, []tree.Xattr{{Name: accessXattr, Value: "bad"}, {Name: defaultXattr, Value: ""}}, result{keep: true, mode: 0o644}},
		{"capabilities as they are", unix.S_IFREG, []tree.Xattr{{Name: "security.capability", Value: v2}},
			result{true, 0, 0, 0, []tree.Xattr{{Name: "security.capability", Value: v2}}}},
		{"no capabilities", unix.S_IFREG, []tree.Xattr{{Name: "security.capability", Value: v3[:20]}}, result{keep: true}},
		{"nor these", unix.S_IFREG, []tree.Xattr{{Name: "security.capability", Value: "\x01\x00"}}, result{keep: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The owner on disk is whoever ran the build.
			st := &unix.Stat_t{Mode: tt.mode, Uid: 1001, Gid: 1001}
			var got result
			got.keep, got.mode, got.uid, got.gid, got.xattrs = Meta("x", st, tt.xattrs)
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// What the kernel writes for setcap(8) inside, Meta makes usable outside.
func TestMetaOnWhatTheKernelWrote(t *testing.T) {
	f := newFixture(t).writable().builder("own", "setcap:/top", "chown:/etc/name:5:6")
	f.output()
	var st unix.Stat_t
	name := f.spec.Root + "/top"
	must(t, unix.Lstat(name, &st))
	var value [64]byte
	n, err := unix.Lgetxattr(name, capabilityXattr, value[:])
	must(t, err)
	_, _, _, _, kept := Meta("top", &st, []tree.Xattr{{Name: capabilityXattr, Value: string(value[:n])}})
	want := []tree.Xattr{{Name: capabilityXattr, Value: "\x01\x00\x00\x02\x00\x04\x00\x00" + strings.Repeat("\x00", 12)}}
	if !reflect.DeepEqual(kept, want) {
		t.Errorf("got %q, want %q", kept, want)
	}
}

func FuzzParseOwner(f *testing.F) {
	for _, s := range []string{"0:0", "33:44", "4294967295:1", "", ":", "1:", "01:2", "+1:2", "1:2:3", "-1:0", "1 :2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if o, ok := ParseOwner(s); ok && o.String() != s {
			t.Errorf("ParseOwner(%q) = %v, which prints as %q", s, o, o.String())
		}
	})
}
