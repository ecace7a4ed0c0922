#include <stdio.h>

int main(void)
{
	puts("Hello from a program that sysc compiled.");
	return 0;
}
