/* The one file that knows Python: checks every buffer, refuses concurrent use, releases the GIL around the work. */

/* The stable ABI of Python 3.11: one build serves every later version. */
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "docstrings.h"
#include "downconvert.h"
#include "multipath.h"
#include "tone.h"

#define DIMENSIONS_MAX 3
#define ANY (-1)

/* One of the C objects. `busy` is read and written under the GIL only. */
typedef struct {
    PyObject_HEAD
    void *core;
    bool busy;
} core_object;

/* What a buffer argument has to be. */
typedef struct {
    const char *name;
    const char *type;    /* NumPy's name for it */
    const char *formats; /* struct-module formats that mean it, separated by spaces */
    Py_ssize_t item_bytes;
    size_t alignment; /* bytes */
    int dimensions;
    Py_ssize_t shape[DIMENSIONS_MAX]; /* ANY where every length will do */
    bool writable;
} buffer_wish;

static core_object *as_core(PyObject *self)
{
    return (core_object *)self;
}

static bool enter(PyObject *self)
{
    if (as_core(self)->busy) {
        PyErr_SetString(PyExc_RuntimeError, "in use by another thread; give each thread its own object");
        return false;
    }
    as_core(self)->busy = true;
    return true;
}

static void leave(PyObject *self)
{
    as_core(self)->busy = false;
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
        append_text(text, bytes, shape[d] == ANY ? "any" : "%zd", shape[d]);
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
static const char *fault_of(const Py_buffer *view, const buffer_wish *wish)
{
    if (view->format == NULL || view->itemsize != wish->item_bytes || !format_is(view->format, wish->formats)) {
        return "type";
    }
    if (view->ndim != wish->dimensions) {
        return "number of dimensions";
    }
    for (int d = 0; d < wish->dimensions; d++) {
        if (wish->shape[d] != ANY && view->shape[d] != wish->shape[d]) {
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

/* Take the buffer of `object` if it is exactly what was wished for; else an exception that names both. */
static bool take(PyObject *object, const buffer_wish *wish, Py_buffer *view)
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

/* The floats of a sequence; their number, or -1 with an exception. */
static Py_ssize_t take_carriers(PyObject *sequence, double *carriers_hz)
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

/* A new Python object around `core`, or ValueError with `reason` when that is NULL. */
static PyObject *wrap(PyTypeObject *type, void *core, void (*destroy)(void *), const char *reason)
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
    as_core(self)->core = core;
    as_core(self)->busy = false;
    return self;
}

static void unwrap(PyObject *self, void (*destroy)(void *))
{
    PyTypeObject *const type = Py_TYPE(self);
    destroy(as_core(self)->core);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* DownConverter */

static void downconverter_destroy(void *core)
{
    pp_downconverter_destroy(core);
}

static PyObject *downconverter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rate_hz", "mics", "carriers_hz", NULL};
    pp_downconverter_spec spec = {0};
    PyObject *carriers = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iiO:DownConverter", names, &spec.rate_hz, &spec.mics, &carriers)) {
        return NULL;
    }
    const Py_ssize_t count = take_carriers(carriers, spec.carriers_hz);
    if (count < 0) {
        return NULL;
    }
    spec.carriers = (int)count;
    char reason[PP_REASON_BYTES];
    return wrap(type, pp_downconverter_create(&spec, reason), downconverter_destroy, reason);
}

static void downconverter_dealloc(PyObject *self)
{
    unwrap(self, downconverter_destroy);
}

static PyObject *downconverter_reset(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"first_frame", NULL};
    long long first_frame = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|L:reset", names, &first_frame)) {
        return NULL;
    }
    if (first_frame < 0) {
        return PyErr_Format(PyExc_ValueError, "first_frame: wanted 0 or more, got %lld", first_frame);
    }
    if (!enter(self)) {
        return NULL;
    }
    pp_downconverter_reset(as_core(self)->core, first_frame);
    leave(self);
    Py_RETURN_NONE;
}

static PyObject *downconverter_output_samples(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frames", NULL};
    Py_ssize_t frames = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n:output_samples", names, &frames)) {
        return NULL;
    }
    if (frames < 0) {
        return PyErr_Format(PyExc_ValueError, "frames: wanted 0 or more, got %zd", frames);
    }
    if (!enter(self)) {
        return NULL;
    }
    const size_t samples = pp_downconverter_output_samples(as_core(self)->core, (size_t)frames);
    leave(self);
    return PyLong_FromSize_t(samples);
}

static bool downconvert(pp_downconverter *core, PyObject *pcm_object, PyObject *iq_object, size_t *samples)
{
    const Py_ssize_t mics = (Py_ssize_t)pp_downconverter_mics(core);
    const buffer_wish pcm_wish = {"samples", "int32", "i l", 4, 4, 2, {ANY, mics}, false};
    Py_buffer pcm;
    if (!take(pcm_object, &pcm_wish, &pcm)) {
        return false;
    }
    const size_t frames = (size_t)pcm.shape[0];
    *samples = pp_downconverter_output_samples(core, frames);
    const Py_ssize_t carriers = (Py_ssize_t)pp_downconverter_carriers(core);
    const buffer_wish iq_wish = {"iq", "complex64", "Zf", 8, 4, 3, {carriers, mics, (Py_ssize_t)*samples}, true};
    Py_buffer iq;
    if (!take(iq_object, &iq_wish, &iq)) {
        PyBuffer_Release(&pcm);
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    pp_downconverter_execute(core, pcm.buf, frames, iq.buf, *samples);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&iq);
    PyBuffer_Release(&pcm);
    return true;
}

static PyObject *downconverter_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"samples", "iq", NULL};
    PyObject *pcm = NULL;
    PyObject *iq = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:process_into", names, &pcm, &iq) || !enter(self)) {
        return NULL;
    }
    size_t samples = 0;
    const bool done = downconvert(as_core(self)->core, pcm, iq, &samples);
    leave(self);
    return done ? PyLong_FromSize_t(samples) : NULL;
}

static PyObject *downconverter_output_rate_hz(PyObject *self, void *closure)
{
    (void)self;
    (void)closure;
    return PyFloat_FromDouble(PP_BASEBAND_HZ);
}

static PyObject *downconverter_group_delay_frames(PyObject *self, void *closure)
{
    (void)closure;
    /* Fixed by create, so no need to enter. */
    return PyFloat_FromDouble(pp_downconverter_group_delay_frames(as_core(self)->core));
}

static PyMethodDef downconverter_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))downconverter_process_into, METH_VARARGS | METH_KEYWORDS,
     downconverter_process_into_doc},
    {"output_samples", (PyCFunction)(void (*)(void))downconverter_output_samples, METH_VARARGS | METH_KEYWORDS,
     downconverter_output_samples_doc},
    {"reset", (PyCFunction)(void (*)(void))downconverter_reset, METH_VARARGS | METH_KEYWORDS, downconverter_reset_doc},
    {0},
};

static PyGetSetDef downconverter_properties[] = {
    {"output_rate_hz", downconverter_output_rate_hz, NULL, "Rate of the baseband.", NULL},
    {"group_delay_frames", downconverter_group_delay_frames, NULL,
     "PCM frames by which a sample's content lies before the newest frame that went into it.", NULL},
    {0},
};

static PyType_Slot downconverter_slots[] = {
    {Py_tp_new, downconverter_new},         {Py_tp_dealloc, downconverter_dealloc},
    {Py_tp_methods, downconverter_methods}, {Py_tp_getset, downconverter_properties},
    {Py_tp_doc, (void *)downconverter_doc}, {0, NULL},
};

static PyType_Spec downconverter_type = {
    .name = "appliance.dsp._core.DownConverter",
    .basicsize = sizeof(core_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = downconverter_slots,
};

/* ToneSynthesiser */

static void tone_destroy(void *core)
{
    pp_tone_destroy(core);
}

static PyObject *tone_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rate_hz", "outputs", "max_amplitude", "fade_s", NULL};
    pp_tone_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iidd:ToneSynthesiser", names, &spec.rate_hz, &spec.outputs,
                                     &spec.max_amplitude, &spec.fade_s)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return wrap(type, pp_tone_create(&spec, reason), tone_destroy, reason);
}

static void tone_dealloc(PyObject *self)
{
    unwrap(self, tone_destroy);
}

static PyObject *tone_play(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"carriers_hz", "amplitude", NULL};
    PyObject *carriers = NULL;
    double amplitude = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Od:play", names, &carriers, &amplitude)) {
        return NULL;
    }
    double carriers_hz[PP_MAX_CARRIERS];
    const Py_ssize_t count = take_carriers(carriers, carriers_hz);
    if (count < 0 || !enter(self)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    const bool accepted = pp_tone_play(as_core(self)->core, carriers_hz, (size_t)count, amplitude, reason);
    leave(self);
    if (!accepted) {
        PyErr_SetString(PyExc_ValueError, reason);
        return NULL;
    }
    Py_RETURN_NONE;
}

static bool synthesise(pp_tone *core, PyObject *object)
{
    const buffer_wish wish = {"samples", "int32", "i l", 4, 4, 2, {ANY, (Py_ssize_t)pp_tone_outputs(core)}, true};
    Py_buffer samples;
    if (!take(object, &wish, &samples)) {
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    pp_tone_execute(core, samples.buf, (size_t)samples.shape[0]);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&samples);
    return true;
}

static PyObject *tone_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"samples", NULL};
    PyObject *samples = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:process_into", names, &samples) || !enter(self)) {
        return NULL;
    }
    const bool done = synthesise(as_core(self)->core, samples);
    leave(self);
    if (!done) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *tone_reset(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!enter(self)) {
        return NULL;
    }
    pp_tone_reset(as_core(self)->core);
    leave(self);
    Py_RETURN_NONE;
}

static PyObject *tone_settled(PyObject *self, void *closure)
{
    (void)closure;
    if (!enter(self)) {
        return NULL;
    }
    const bool settled = pp_tone_settled(as_core(self)->core);
    leave(self);
    return PyBool_FromLong(settled);
}

PyDoc_STRVAR(tone_reset_doc, "reset($self, /)\n--\n\nSilence at once, as when new.");

static PyMethodDef tone_methods[] = {
    {"play", (PyCFunction)(void (*)(void))tone_play, METH_VARARGS | METH_KEYWORDS, tone_play_doc},
    {"process_into", (PyCFunction)(void (*)(void))tone_process_into, METH_VARARGS | METH_KEYWORDS,
     tone_process_into_doc},
    {"reset", tone_reset, METH_NOARGS, tone_reset_doc},
    {0},
};

static PyGetSetDef tone_properties[] = {
    {"settled", tone_settled, NULL, "True when no fade or glide is under way.", NULL},
    {0},
};

static PyType_Slot tone_slots[] = {
    {Py_tp_new, tone_new},         {Py_tp_dealloc, tone_dealloc},
    {Py_tp_methods, tone_methods}, {Py_tp_getset, tone_properties},
    {Py_tp_doc, (void *)tone_doc}, {0, NULL},
};

static PyType_Spec tone_type = {
    .name = "appliance.dsp._core.ToneSynthesiser",
    .basicsize = sizeof(core_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tone_slots,
};

/* MultipathChannel */

static void multipath_destroy(void *core)
{
    pp_multipath_destroy(core);
}

static PyObject *multipath_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"paths", "mics", "max_delay_frames", NULL};
    pp_multipath_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iii:MultipathChannel", names, &spec.paths, &spec.mics,
                                     &spec.max_delay_frames)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return wrap(type, pp_multipath_create(&spec, reason), multipath_destroy, reason);
}

static void multipath_dealloc(PyObject *self)
{
    unwrap(self, multipath_destroy);
}

/* `views`: signal, delay_frames, gain, out; the first `*taken` of them are to be released. */
static bool take_multipath(pp_multipath *core, PyObject *const objects[4], Py_buffer views[4], int *taken)
{
    const Py_ssize_t paths = (Py_ssize_t)pp_multipath_paths(core);
    const Py_ssize_t mics = (Py_ssize_t)pp_multipath_mics(core);
    buffer_wish wishes[4] = {
        {"signal", "float32", "f", 4, 4, 1, {ANY}, false},
        {"delay_frames", "float64", "d", 8, 8, 3, {ANY, paths, mics}, false},
        {"gain", "float32", "f", 4, 4, 3, {ANY, paths, mics}, false},
        {"out", "float32", "f", 4, 4, 2, {ANY, mics}, true},
    };
    for (*taken = 0; *taken < 4; (*taken)++) {
        if (!take(objects[*taken], &wishes[*taken], &views[*taken])) {
            return false;
        }
        if (*taken == 0) {
            wishes[3].shape[0] = views[0].shape[0];
        } else if (*taken == 1) {
            wishes[2].shape[0] = views[1].shape[0];
        }
    }
    const Py_ssize_t points = views[1].shape[0];
    if (points < 2) {
        PyErr_Format(PyExc_ValueError, "delay_frames: wanted at least 2 points, got %zd", points);
        return false;
    }
    char reason[PP_REASON_BYTES];
    if (!pp_multipath_accepts(core, views[1].buf, (size_t)points, reason)) {
        PyErr_SetString(PyExc_ValueError, reason);
        return false;
    }
    return true;
}

static PyObject *multipath_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"signal", "delay_frames", "gain", "out", NULL};
    PyObject *objects[4] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO:process_into", names, &objects[0], &objects[1], &objects[2],
                                     &objects[3]) ||
        !enter(self)) {
        return NULL;
    }
    pp_multipath *const core = as_core(self)->core;
    Py_buffer views[4] = {0};
    int taken = 0;
    const bool accepted = take_multipath(core, objects, views, &taken);
    if (accepted) {
        Py_BEGIN_ALLOW_THREADS
        pp_multipath_execute(core, views[0].buf, (size_t)views[0].shape[0], views[1].buf, views[2].buf,
                             (size_t)views[1].shape[0], views[3].buf);
        Py_END_ALLOW_THREADS
    }
    while (taken > 0) {
        PyBuffer_Release(&views[--taken]);
    }
    leave(self);
    if (!accepted) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *multipath_reset(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!enter(self)) {
        return NULL;
    }
    pp_multipath_reset(as_core(self)->core);
    leave(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(multipath_reset_doc, "reset($self, /)\n--\n\nForget the signal that is under way.");

static PyMethodDef multipath_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))multipath_process_into, METH_VARARGS | METH_KEYWORDS,
     multipath_process_into_doc},
    {"reset", multipath_reset, METH_NOARGS, multipath_reset_doc},
    {0},
};

static PyType_Slot multipath_slots[] = {
    {Py_tp_new, multipath_new},         {Py_tp_dealloc, multipath_dealloc},
    {Py_tp_methods, multipath_methods}, {Py_tp_doc, (void *)multipath_doc},
    {0, NULL},
};

static PyType_Spec multipath_type = {
    .name = "appliance.dsp._core.MultipathChannel",
    .basicsize = sizeof(core_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = multipath_slots,
};

static int module_exec(PyObject *module)
{
    PyType_Spec *const types[] = {&downconverter_type, &tone_type, &multipath_type};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        PyObject *const type = PyType_FromModuleAndSpec(module, types[t], NULL);
        if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) != 0) {
            Py_XDECREF(type);
            return -1;
        }
        Py_DECREF(type);
    }
    if (PyModule_AddIntConstant(module, "MIN_DELAY_FRAMES", PP_MIN_DELAY_FRAMES) != 0) {
        return -1;
    }
    PyObject *const min_emitted_hz = PyFloat_FromDouble(PP_MIN_EMITTED_HZ);
    const int added = PyModule_AddObjectRef(module, "MIN_EMITTED_HZ", min_emitted_hz);
    Py_XDECREF(min_emitted_hz);
    return added;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "appliance.dsp._core",
    .m_doc = "The part of the signal path that runs at the rate of the PCM.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_definition);
}
