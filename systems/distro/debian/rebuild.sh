version=$1 kind=$2 patches=$3
shift 3
applied=
while [ "$patches" -gt 0 ]; do
	applied="$applied $1"
	patches=$((patches - 1))
	shift
done
while [ $# -gt 0 ]; do
	ln -s "$2" "$1"
	shift 2
done
dpkg-source --no-check --extract ./*.dsc work
cd work
for file in $applied; do
	echo "applying ${file##*/}"
	patch --strip=1 --forward <"$file"
done
# The version of the package that is replaced, which is another one than the source's
# after a rebuild without changes.
sed -i "1s/(.*)/($version)/" debian/changelog
DEB_BUILD_OPTIONS="parallel=$SYSC_CORES" dpkg-buildpackage --build="$kind" --unsigned-changes
mkdir "$out"
cp ../*.deb "$out"
