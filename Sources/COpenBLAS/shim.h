#include <cblas.h>

// Of LAPACK, which every libopenblas holds: its own header is another package.
void dsyevd_(const char *job, const char *triangle, const int *n, double *a, const int *lda, double *w, double *work,
             const int *lwork, int *iwork, const int *liwork, int *info);
