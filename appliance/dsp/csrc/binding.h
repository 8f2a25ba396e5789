/* What every bound object needs: exact checks of buffers, refusal of concurrent use, a Python object around a core.
 * Only the files that include this know Python. */

#ifndef PP_BINDING_H
#define PP_BINDING_H

/* The stable ABI of Python 3.11: one build serves every later version. */
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdbool.h>

#include "band_power.h"
#include "limits.h"

#define PP_DIMENSIONS_MAX 4
#define PP_ANY (-1)

/* As long as a dimension of a buffer before it in a list. */
#define PP_AS(buffer, dimension) (-2 - (buffer) * PP_DIMENSIONS_MAX - (dimension))

/* One of the C objects. `busy` is read and written under the GIL only. */
typedef struct {
    PyObject_HEAD
    void *core;
    bool busy;
} pp_object;

/* What a buffer argument has to be. */
typedef struct {
    const char *name;
    const char *type;    /* NumPy's name for it */
    const char *formats; /* struct-module formats that mean it, separated by spaces */
    Py_ssize_t item_bytes;
    size_t alignment; /* bytes */
    int dimensions;
    Py_ssize_t shape[PP_DIMENSIONS_MAX]; /* PP_ANY where every length will do, PP_AS in lists */
    bool writable;
} pp_buffer_wish;

/* One thread at a time: false with an exception while another one is inside. */
bool pp_enter(PyObject *self);
void pp_leave(PyObject *self);

/* The C object inside. */
void *pp_core(PyObject *self);

/* Take the buffer of `object` if it is exactly what was wished for; else an exception that names both. */
bool pp_take(PyObject *object, const pp_buffer_wish *wish, Py_buffer *view);

/* Take `count` buffers, all or none, in order: a length of a wish may be PP_AS one of a buffer before it. */
bool pp_take_all(PyObject *const *objects, const pp_buffer_wish *wishes, int count, Py_buffer *views);
void pp_release_all(Py_buffer *views, int count);

/* Baseband of all carriers and microphones, [rows][samples]; the caller releases `view`. */
typedef struct {
    Py_buffer view;
    size_t rows;
    size_t samples;
} pp_baseband;

/* Take complex64 [carriers, mics, samples], within the limits and of at least one sample, at `rate_hz` above 0. */
bool pp_take_baseband(PyObject *object, double rate_hz, pp_baseband *baseband);

/* The floats of a sequence of at most PP_MAX_CARRIERS; their number, or -1 with an exception. */
Py_ssize_t pp_take_carriers(PyObject *sequence, double *carriers_hz);

/* Whether so many of each are within the limits; with an exception if not. */
bool pp_rows_are_valid(int carriers, int mics);

/* Take pairs of a first bin and the one behind the last, and a number for each; bins are checked by pp_bands_are_valid.
 * `shape` has room for PP_MAX_BANDS. */
bool pp_take_bands(PyObject *pairs, PyObject *shapes, pp_bands *bands, double *shape);

/* A new Python object around `core`, or ValueError with `reason` when that is NULL. */
PyObject *pp_wrap(PyTypeObject *type, void *core, void (*destroy)(void *), const char *reason);
void pp_unwrap(PyObject *self, void (*destroy)(void *));

/* The types, one file each. */
extern PyType_Spec pp_downconverter_type;
extern PyType_Spec pp_tone_type;
extern PyType_Spec pp_chirp_type;
extern PyType_Spec pp_multipath_type;
extern PyType_Spec pp_phasor_sum_type;
extern PyType_Spec pp_echo_paths_type;
extern PyType_Spec pp_echo_tones_type;
extern PyType_Spec pp_range_gate_type;
extern PyType_Spec pp_carrier_watch_type;
extern PyType_Spec pp_clutter_type;
extern PyType_Spec pp_doppler_type;
extern PyType_Spec pp_cfar_type;
extern PyType_Spec pp_evidence_type;
extern PyType_Spec pp_echoes_type;

/* Functions of the module. */
extern PyMethodDef pp_quality_methods[];

#endif
