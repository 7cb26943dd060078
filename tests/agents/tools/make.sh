# A parallel build of C: many compilers at once, a static library, a program, then nothing to do.
for n in $(seq 12); do echo "int f$n(void) { return $n; }" > "f$n.c"; done
{
  for n in $(seq 12); do echo "int f$n(void);"; done
  echo '#include <stdio.h>'
  echo 'int main(void) { int sum = 0;'
  for n in $(seq 12); do echo "sum += f$n();"; done
  echo 'printf("%d\n", sum); return 0; }'
} > main.c
printf 'all: main\nmain: main.o libf.a\n\t$(CC) -o $@ $^\nlibf.a: $(patsubst %%,f%%.o,1 2 3 4 5 6 7 8 9 10 11 12)\n\t$(AR) rcs $@ $^\n' > Makefile
make --silent -j4 2>&1
./main
make -j4 | grep -c 'Nothing to be done'
make --silent --touch -j4
