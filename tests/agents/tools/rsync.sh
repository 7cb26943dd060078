# Copies with times, links, modes, deletions and a partial update; then tar with the same tree.
mkdir -p from/deep/er
seq 1000 > from/numbers
head -c 300000 /dev/zero | tr '\0' x > from/deep/large
ln -s ../numbers from/deep/link
ln from/numbers from/deep/er/hard
chmod 640 from/numbers
touch -d '2025-01-02 03:04:05 UTC' from/deep/large
rsync -aH --stats from/ to/ | grep 'Number of regular files transferred'
rsync -aHni from/ to/ | wc -l
echo more >> from/numbers
rm from/deep/link
rsync -aH --delete --inplace from/ to/
stat -c '%n %a %s %Y %h' to/deep/large
stat -c '%a %s %h' to/numbers
ls to/deep
mkdir untarred
tar -cf - from | tar -xpf - -C untarred
tar -czf from.tgz from
tar -tzf from.tgz | sort
tar -cf sparse.tar --sparse from
tar -df sparse.tar && echo no difference
diff -r from untarred/from && echo same
cp -a from copied
cp --reflink=auto --sparse=always -r from copied2
diff -r copied copied2 && echo same
mv copied renamed
mv renamed/deep renamed/deeper
find renamed -type f | sort
rm -rf to untarred
