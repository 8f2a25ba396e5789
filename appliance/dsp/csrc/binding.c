#include "binding.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static pp_object *as_object(PyObject *self)
{
    return (pp_object *)self;
}

void *pp_core(PyObject *self)
{
    return as_object(self)->core;
}

bool pp_enter(PyObject *self)
{
    if (as_object(self)->busy) {
        PyErr_SetString(PyExc_RuntimeError, "in use by another thread; give each thread its own object");
        return false;
    }
    as_object(self)->busy = true;
    return true;
}

void pp_leave(PyObject *self)
{
    as_object(self)->busy = false;
}

static void append_text(char *text, size_t bytes, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, bytes - used, format, arguments);
    va_end(arguments);
}

static void describe_shape(char *text, size_t bytes, int dimensions, const Py_ssize_t *shape)
{
    append_text(text, bytes, "[");
    for (int d = 0; d < dimensions; d++) {
        append_text(text, bytes, d > 0 ? ", " : "");
        append_text(text, bytes, shape[d] == PP_ANY ? "any" : "%zd", shape[d]);
    }
    append_text(text, bytes, "]");
}

static bool format_is(const char *format, const char *formats)
{
    const size_t length = strlen(format);
    for (const char *at = strstr(formats, format); length > 0 && at != NULL; at = strstr(at + 1, format)) {
        if ((at == formats || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* Why `view` is not what was wished for, or NULL. */
static const char *fault_of(const Py_buffer *view, const pp_buffer_wish *wish)
{
    if (view->format == NULL || view->itemsize != wish->item_bytes || !format_is(view->format, wish->formats)) {
        return "type";
    }
    if (view->ndim != wish->dimensions) {
        return "number of dimensions";
    }
    for (int d = 0; d < wish->dimensions; d++) {
        if (wish->shape[d] != PP_ANY && view->shape[d] != wish->shape[d]) {
            return "shape";
        }
    }
    if (!PyBuffer_IsContiguous(view, 'C')) {
        return "memory layout (not C-contiguous)";
    }
    if ((uintptr_t)view->buf % wish->alignment != 0) {
        return "memory layout (not aligned)";
    }
    if (wish->writable && view->readonly) {
        return "access (read-only)";
    }
    return NULL;
}

bool pp_take(PyObject *object, const pp_buffer_wish *wish, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, PyBUF_FORMAT | PyBUF_STRIDES) != 0) {
        return false;
    }
    const char *const fault = fault_of(view, wish);
    if (fault == NULL) {
        return true;
    }
    char wanted[80] = "";
    char got[200] = "";
    describe_shape(wanted, sizeof wanted, wish->dimensions, wish->shape);
    describe_shape(got, sizeof got, view->ndim, view->shape);
    PyErr_Format(fault[0] == 't' ? PyExc_TypeError : PyExc_ValueError,
                 "%s: wrong %s: wanted %s%s %s C-contiguous, got format '%s' %s", wish->name, fault,
                 wish->writable ? "writable " : "", wish->type, wanted, view->format == NULL ? "B" : view->format, got);
    PyBuffer_Release(view);
    return false;
}

bool pp_take_all(PyObject *const *objects, const pp_buffer_wish *wishes, int count, Py_buffer *views)
{
    for (int taken = 0; taken < count; taken++) {
        pp_buffer_wish wish = wishes[taken];
        for (int d = 0; d < wish.dimensions; d++) {
            if (wish.shape[d] < PP_ANY) {
                const Py_ssize_t as = -2 - wish.shape[d];
                wish.shape[d] = views[as / PP_DIMENSIONS_MAX].shape[as % PP_DIMENSIONS_MAX];
            }
        }
        if (!pp_take(objects[taken], &wish, &views[taken])) {
            pp_release_all(views, taken);
            return false;
        }
    }
    return true;
}

void pp_release_all(Py_buffer *views, int count)
{
    while (count > 0) {
        PyBuffer_Release(&views[--count]);
    }
}

bool pp_take_baseband(PyObject *object, double rate_hz, pp_baseband *baseband)
{
    if (!(rate_hz > 0 && rate_hz <= PP_MAX_BASEBAND_HZ)) {
        PyErr_SetString(PyExc_ValueError, "rate_hz: wanted more than 0, and no more than a card's rate");
        return false;
    }
    const pp_buffer_wish wish = {"iq", "complex64", "Zf", 8, 4, 3, {PP_ANY, PP_ANY, PP_ANY}, false};
    if (!pp_take(object, &wish, &baseband->view)) {
        return false;
    }
    const Py_ssize_t *const shape = baseband->view.shape;
    if (shape[0] < 1 || shape[0] > PP_MAX_CARRIERS || shape[1] < 1 || shape[1] > PP_MAX_MICS || shape[2] < 1) {
        PyErr_Format(PyExc_ValueError, "iq: wanted [1 to %d, 1 to %d, 1 or more], got [%zd, %zd, %zd]", PP_MAX_CARRIERS,
                     PP_MAX_MICS, shape[0], shape[1], shape[2]);
        PyBuffer_Release(&baseband->view);
        return false;
    }
    baseband->rows = (size_t)(shape[0] * shape[1]);
    baseband->samples = (size_t)shape[2];
    return true;
}

Py_ssize_t pp_take_carriers(PyObject *sequence, double *carriers_hz)
{
    const Py_ssize_t count = PySequence_Size(sequence);
    if (count > PP_MAX_CARRIERS) {
        PyErr_Format(PyExc_ValueError, "carriers_hz: wanted at most %d carriers, got %zd", PP_MAX_CARRIERS, count);
        return -1;
    }
    for (Py_ssize_t c = 0; c < count; c++) {
        PyObject *const item = PySequence_GetItem(sequence, c);
        carriers_hz[c] = item == NULL ? -1.0 : PyFloat_AsDouble(item);
        Py_XDECREF(item);
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    return count;
}

PyObject *pp_wrap(PyTypeObject *type, void *core, void (*destroy)(void *), const char *reason)
{
    if (core == NULL) {
        PyErr_SetString(PyExc_ValueError, reason);
        return NULL;
    }
    const allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *const self = allocate(type, 0);
    if (self == NULL) {
        destroy(core);
        return NULL;
    }
    as_object(self)->core = core;
    as_object(self)->busy = false;
    return self;
}

void pp_unwrap(PyObject *self, void (*destroy)(void *))
{
    PyTypeObject *const type = Py_TYPE(self);
    destroy(as_object(self)->core);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* The number at `index` of a sequence; false with an exception when there is none. */
static bool take_number(PyObject *sequence, Py_ssize_t index, double *number)
{
    PyObject *const item = PySequence_GetItem(sequence, index);
    *number = item == NULL ? -1.0 : PyFloat_AsDouble(item);
    Py_XDECREF(item);
    return !PyErr_Occurred();
}

static bool take_bin(PyObject *pair, Py_ssize_t index, int *bin)
{
    PyObject *const item = PySequence_GetItem(pair, index);
    const long value = item == NULL ? -1 : PyLong_AsLong(item);
    Py_XDECREF(item);
    *bin = value < 0 || value > PP_MAX_BINS ? -1 : (int)value;
    return !PyErr_Occurred();
}

bool pp_take_bands(PyObject *pairs, PyObject *shapes, pp_bands *bands, double *shape)
{
    const Py_ssize_t count = PySequence_Size(pairs);
    const Py_ssize_t shape_count = count < 0 ? -1 : PySequence_Size(shapes);
    if (count < 0 || shape_count < 0) {
        return false;
    }
    if (count < 1 || count > PP_MAX_BANDS || shape_count != count) {
        PyErr_Format(PyExc_ValueError, "bands: wanted 1 to %d and a shape for each, got %zd and %zd shapes",
                     PP_MAX_BANDS, count, shape_count);
        return false;
    }
    bands->bands = (int)count;
    for (Py_ssize_t b = 0; b < count; b++) {
        PyObject *const pair = PySequence_GetItem(pairs, b);
        const bool ok = pair != NULL && take_bin(pair, 0, &bands->first_bin[b]) && take_bin(pair, 1, &bands->end_bin[b]);
        Py_XDECREF(pair);
        if (!ok || !take_number(shapes, b, &shape[b])) {
            return false;
        }
    }
    return true;
}

bool pp_rows_are_valid(int carriers, int mics)
{
    if (carriers < 1 || carriers > PP_MAX_CARRIERS) {
        PyErr_Format(PyExc_ValueError, "carriers: wanted 1 to %d, got %d", PP_MAX_CARRIERS, carriers);
        return false;
    }
    if (mics < 1 || mics > PP_MAX_MICS) {
        PyErr_Format(PyExc_ValueError, "mics: wanted 1 to %d, got %d", PP_MAX_MICS, mics);
        return false;
    }
    return true;
}
